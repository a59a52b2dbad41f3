# attn_row_fault(<file> <out>): why a file is no variant, in one sentence; empty when it is one. A variant is one ATTN_VARIANT
# at the begin of a line, whose symbol is the file's stem: the table of variants is made from the names of files, and the
# linker would speak of missing or doubled symbols. No semicolons: sentences go through lists. src/variant.hpp says the same
# where a file changes later.
function(attn_row_fault file out)
  cmake_path(GET file STEM stem)
  cmake_path(GET CMAKE_CURRENT_FUNCTION_LIST_DIR PARENT_PATH source)
  file(RELATIVE_PATH name ${source} ${file})
  file(STRINGS ${file} rows REGEX "^[ \t]*ATTN_VARIANT\\([ \t]*[A-Za-z0-9_]+")
  list(TRANSFORM rows REPLACE "^[ \t]*ATTN_VARIANT\\([ \t]*([A-Za-z0-9_]+).*$" "\\1")
  list(LENGTH rows count)
  list(JOIN rows " and " symbols)
  set(fault "")
  if(count EQUAL 0)
    set(fault "${name} defines no variant, and must have ATTN_VARIANT(${stem}, ...), at the begin of a line")
  elseif(count GREATER 1)
    set(fault "${name} defines ${count} variants, ${symbols}, and must define one, ATTN_VARIANT(${stem}, ...)")
  elseif(NOT rows STREQUAL stem)
    set(fault "${name} defines the variant ${rows}, and must define ${stem}, as the file is called: ATTN_VARIANT(${stem}, ...)")
  endif()
  set(${out} "${fault}" PARENT_SCOPE)
endfunction()
