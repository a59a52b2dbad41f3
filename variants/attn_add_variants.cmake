# attn_add_variants(<target> [PLUGIN [VERSION <text>]] FILES <file>... [ISAS <isa>...] [LIBRARIES <library>...]
#                   [TYPE Variant] [HEADER variant.hpp] [TABLE variant_table])
#
# Compiles each file once per ISA into <target>, a static library that also defines
#     std::span<const TYPE* const> attn::TABLE() noexcept
# listing one row per file and ISA. `stem.cpp` is built for every ISA but avx512bf16 and amx and defines
# attn::<isa>::<stem>;
# `stem.<isa>.cpp` is built for that ISA only, where it replaces `stem.cpp`.
#
# PLUGIN: <target> is <target>.so, a module for `attnbench run --plugin` that exports attn_plugin_table() instead. VERSION
# is of a library behind the kernels, for the result file.
#
# LIBRARIES: what the files are compiled and linked with. Their inline code is sealed with the rest.
#
# Each ISA's objects are sealed: linked into one relocatable file whose only global symbols are its rows. Otherwise the
# linker would keep one copy of an inline function for all ISAs, perhaps the AVX-512 one, and the program would die on
# older CPUs. Sealed files and their symbol lists are in the target's ATTN_SEALED property; tests check them with nm.

# attn_choose(<option> <valid>...): makes of an option that says all, or lists words, the valid words that it means.
function(attn_choose option)
  list(JOIN ARGN ", " valid)
  if(NOT ${option})
    message(FATAL_ERROR "${option} is empty; valid: all, or a list of ${valid}")
  endif()
  foreach(word IN LISTS ${option})
    if(NOT word STREQUAL "all" AND NOT word IN_LIST ARGN)
      message(FATAL_ERROR "${option} names '${word}'; valid: all, or a list of ${valid}")
    endif()
  endforeach()
  set(chosen ${ARGN})
  if(NOT "all" IN_LIST ${option})
    list(REMOVE_ITEM ARGN ${${option}})
    list(REMOVE_ITEM chosen ${ARGN})
  endif()
  set(${option} ${chosen} PARENT_SCOPE)
endfunction()

# The levels of src/isa.hpp (a test compares); those that only kernels written for them are built for.
set(ATTN_KNOWN_ISAS sse2 avx2 avx512 avx512bf16 amx neon64)
set(ATTN_ISAS_BY_NAME_ONLY avx512bf16 amx)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(ATTN_ARCHITECTURE_ISAS sse2 avx2 avx512 avx512bf16 amx)
else()
  set(ATTN_ARCHITECTURE_ISAS neon64)
endif()
set(ATTN_ISAS all CACHE STRING "Instruction sets to compile kernels for: all of this architecture, or a list")
attn_choose(ATTN_ISAS ${ATTN_ARCHITECTURE_ISAS})

# psABI levels by -march, since the last -march wins over a user's -march=native.
set(ATTN_FLAGS_sse2 -march=x86-64)
set(ATTN_FLAGS_avx2 -march=x86-64-v3)
set(ATTN_FLAGS_avx512 -march=x86-64-v4 -mprefer-vector-width=512)
set(ATTN_FLAGS_avx512bf16 ${ATTN_FLAGS_avx512} -mavx512bf16 -mavx512vnni)
set(ATTN_FLAGS_amx ${ATTN_FLAGS_avx512bf16} -mavx512fp16 -mamx-tile -mamx-bf16 -mamx-int8)
set(ATTN_FLAGS_neon64 -march=armv8-a)

# Kernels neither throw nor use RTTI; errno of math functions is never read. Never -ffast-math. Files start on a page and
# functions on a cache line, so that two builds differ less by code placement. GNU 'unique' symbols would escape the seal.
set(ATTN_KERNEL_OPTIONS -fno-exceptions -fno-rtti -fno-math-errno -falign-functions=64 -fno-lto
    "SHELL:-include '${CMAKE_CURRENT_LIST_DIR}/page_aligned.h'"
    $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>
    # GCC 12 warns about its own AVX-512 intrinsics (GCC bug 105593).
    $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)

set(ATTN_HEADER_DIRECTORIES ${CMAKE_CURRENT_LIST_DIR} ${CMAKE_CURRENT_LIST_DIR}/../src)

# Files of an ISA: name.<isa>.cpp, and name.cpp unless replaced. Errors on a suffix that is no ISA.
function(attn_files_of_isa isa files out)
  set(chosen "")
  foreach(file IN LISTS files)
    cmake_path(GET file PARENT_PATH folder)
    cmake_path(GET file STEM stem)
    cmake_path(GET file EXTENSION extension)
    if(extension STREQUAL ".cpp")
      if(NOT isa IN_LIST ATTN_ISAS_BY_NAME_ONLY AND NOT "${folder}/${stem}.${isa}.cpp" IN_LIST files)
        list(APPEND chosen ${file})
      endif()
    elseif(extension STREQUAL ".${isa}.cpp")
      list(APPEND chosen ${file})
    else()
      string(REGEX REPLACE "^\\.(.*)\\.cpp$" "\\1" suffix "${extension}")
      if(NOT suffix IN_LIST ATTN_KNOWN_ISAS)
        message(FATAL_ERROR "${file}: '${suffix}' is no ISA; valid: ${ATTN_KNOWN_ISAS}")
      endif()
    endif()
  endforeach()
  # Another order places the same code elsewhere: what that alone does to times is the floor of the regression gate.
  if(ATTN_OBJECT_ORDER)
    set(keyed "")
    foreach(file IN LISTS chosen)
      cmake_path(GET file FILENAME name)
      string(SHA1 key "${ATTN_OBJECT_ORDER} ${name}")
      list(APPEND keyed "${key} ${file}")
    endforeach()
    list(SORT keyed)
    list(TRANSFORM keyed REPLACE "^[0-9a-f]+ " "" OUTPUT_VARIABLE chosen)
  endif()
  set(${out} ${chosen} PARENT_SCOPE)
endfunction()

# Seals the objects of target ${target}_${isa} into ${target}_${isa}.o, added to ${target}.
function(attn_seal target isa symbols)
  set(sealed ${CMAKE_CURRENT_BINARY_DIR}/${target}_${isa}.o)
  set(keep ${CMAKE_CURRENT_BINARY_DIR}/${target}_${isa}.keep)
  list(JOIN symbols "\n" lines)
  file(CONFIGURE OUTPUT ${keep} CONTENT "${lines}\n" @ONLY)
  add_custom_command(OUTPUT ${sealed}
    COMMAND ${CMAKE_CXX_COMPILER} -r -nostdlib -fuse-ld=bfd -Wl,--force-group-allocation -o ${sealed}
            $<TARGET_OBJECTS:${target}_${isa}>
    COMMAND ${CMAKE_OBJCOPY} --keep-global-symbols=${keep} ${sealed}
    DEPENDS ${target}_${isa} $<TARGET_OBJECTS:${target}_${isa}> ${keep}
    COMMAND_EXPAND_LISTS VERBATIM COMMENT "Sealing ${target} for ${isa}")
  set_source_files_properties(${sealed} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  target_sources(${target} PRIVATE ${sealed})
  set_property(TARGET ${target} APPEND PROPERTY ATTN_SEALED ${sealed})
endfunction()

function(attn_add_variants target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "PLUGIN" "VERSION;TYPE;HEADER;TABLE" "FILES;ISAS;LIBRARIES")
  foreach(default IN ITEMS "TYPE Variant" "HEADER variant.hpp" "TABLE variant_table")
    separate_arguments(default)
    list(POP_FRONT default name value)
    if(NOT arg_${name})
      set(arg_${name} ${value})
    endif()
  endforeach()
  if(NOT arg_ISAS)
    set(arg_ISAS ${ATTN_ISAS})
  endif()
  if(NOT TARGET xsimd)
    message(FATAL_ERROR "attn_add_variants(${target}): xsimd is needed and was not found (libxsimd-dev)")
  endif()
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    message(WARNING "attn_add_variants(${target}): without CMAKE_BUILD_TYPE the kernels are not optimised; say Release")
  endif()
  set(files "")
  foreach(file IN LISTS arg_FILES)
    cmake_path(ABSOLUTE_PATH file NORMALIZE)
    list(APPEND files ${file})
  endforeach()
  set(arg_FILES ${files})

  if(arg_PLUGIN)
    add_library(${target} MODULE ${CMAKE_CURRENT_BINARY_DIR}/${target}_table.cpp)
    set_target_properties(${target} PROPERTIES PREFIX "")
    set(version nullptr)
    if(arg_VERSION)
      set(version "\"${arg_VERSION}\"")
    endif()
    set(plugin "static const attn_plugin kPlugin{ATTN_PLUGIN_ABI, std::size(attn::kRows), attn::kRows, ${version}};\n")
    string(APPEND plugin "const attn_plugin* attn_plugin_table() { return &kPlugin; }\n")
  else()
    add_library(${target} STATIC ${CMAKE_CURRENT_BINARY_DIR}/${target}_table.cpp)
    set(plugin "")
  endif()
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE TRUE)
  target_link_libraries(${target} PUBLIC OpenMP::OpenMP_CXX PRIVATE attn_baseline ${arg_LIBRARIES})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${ATTN_HEADER_DIRECTORIES})
  target_compile_features(${target} PRIVATE cxx_std_20)
  set(externs "")
  set(rows "")
  foreach(isa IN LISTS arg_ISAS)
    attn_files_of_isa(${isa} "${arg_FILES}" files)
    if(NOT files)
      continue()
    endif()
    set(symbols "")
    foreach(file IN LISTS files)
      cmake_path(GET file STEM stem)
      string(LENGTH ${isa} isa_length)
      string(LENGTH ${stem} stem_length)
      list(APPEND symbols "_ZN4attn${isa_length}${isa}${stem_length}${stem}E")
      string(APPEND externs "namespace attn::${isa} { extern const ${arg_TYPE} ${stem}; }\n")
      string(APPEND rows "    &attn::${isa}::${stem},\n")
    endforeach()
    add_library(${target}_${isa} OBJECT ${files})
    target_compile_definitions(${target}_${isa} PRIVATE ATTN_ISA=${isa} ATTN_ISA_NAME="${isa}")
    target_compile_options(${target}_${isa} PRIVATE ${ATTN_FLAGS_${isa}} ${ATTN_KERNEL_OPTIONS})
    target_include_directories(${target}_${isa} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${ATTN_HEADER_DIRECTORIES})
    target_link_libraries(${target}_${isa} PRIVATE attn_warnings OpenMP::OpenMP_CXX xsimd ${arg_LIBRARIES})
    target_compile_features(${target}_${isa} PRIVATE cxx_std_20)
    set_target_properties(${target}_${isa} PROPERTIES POSITION_INDEPENDENT_CODE TRUE)
    attn_seal(${target} ${isa} "${symbols}")
  endforeach()
  if(NOT rows)
    message(FATAL_ERROR "attn_add_variants(${target}): no file is for one of the ISAs ${arg_ISAS}")
  endif()
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${target}_table.cpp @ONLY CONTENT [[
// Generated by attn_add_variants().
#include "@arg_HEADER@"

#include <iterator>
#include <span>

@externs@
namespace attn {
namespace {
constexpr const @arg_TYPE@* kRows[] = {
@rows@};
}  // namespace
std::span<const @arg_TYPE@* const> @arg_TABLE@() noexcept { return kRows; }
}  // namespace attn
@plugin@]])
endfunction()
