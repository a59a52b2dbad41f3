# What `cmake --install build --prefix P` puts below P:
#   bin/attnbench   with share/attnbench/sweeps, and lib/attnbench for the peers that were built
#   include/attnbench   the headers of src/ and, for variants of one's own, variants/detail/
#   lib, lib/cmake/attnbench   the library and the package, for find_package(attnbench): attnbenchConfig.cmake.in
include(CMakePackageConfigHelpers)

install(TARGETS attn attn_core attn_kernels attn_baseline attn_plugin attn_layers EXPORT attnbench ARCHIVE DESTINATION lib)
install(DIRECTORY ${CMAKE_CURRENT_LIST_DIR}/ DESTINATION include/attnbench FILES_MATCHING PATTERN *.hpp PATTERN *.h
        PATTERN first_attention.hpp EXCLUDE)
install(DIRECTORY ${CMAKE_CURRENT_LIST_DIR}/../variants/detail DESTINATION include/attnbench)

set(package_folder lib/cmake/attnbench)
install(EXPORT attnbench NAMESPACE attnbench:: FILE attnbenchTargets.cmake DESTINATION ${package_folder})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/attnbenchConfig.cmake.in
  ${PROJECT_BINARY_DIR}/attnbenchConfig.cmake INSTALL_DESTINATION ${package_folder})
# Unstable until version 1: a program built with 0.1 is not promised to build with 0.2.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/attnbenchConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/attnbenchConfig.cmake ${PROJECT_BINARY_DIR}/attnbenchConfigVersion.cmake
  ${CMAKE_CURRENT_LIST_DIR}/../variants/attn_add_variants.cmake
  ${CMAKE_CURRENT_LIST_DIR}/../variants/page_aligned.h DESTINATION ${package_folder})
