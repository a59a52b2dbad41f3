# attn_find_<peer>(), a function for every peer, so that what its library's package does to variables stays inside:
# defines the target attn_library_<peer>, everything that the plugin compiles and links with, or sets `absent` in the
# caller to why the library is of no use and how to get one that is.
include(CheckCXXSourceCompiles)
set(get_peers "run tools/setup --peers and build again")

# Sets `absent` in the calling function's scope when these lines do not build with attn_library_<peer>: a library of
# another generation, one that this compiler cannot read, or one whose own libraries are missing.
macro(attn_probe peer lines)
  set(CMAKE_REQUIRED_QUIET ON)
  set(CMAKE_REQUIRED_LIBRARIES attn_library_${peer})
  check_cxx_source_compiles("${lines}\nint main() {}" ATTN_PEER_${peer}_BUILDS)
  if(NOT ATTN_PEER_${peer}_BUILDS)
    set(absent "what was found does not build as needed (CMakeFiles/CMakeError.log tells); ${get_peers}")
    unset(ATTN_PEER_${peer}_BUILDS CACHE)  # what is installed meanwhile gets its chance
  endif()
endmacro()

# OpenBLAS, or any CBLAS that CMake knows (BLA_VENDOR chooses).
function(attn_find_blas)
  find_package(OpenMP QUIET COMPONENTS C)
  find_package(OpenBLAS CONFIG QUIET)
  if(OpenBLAS_FOUND)
    set(headers ${OpenBLAS_INCLUDE_DIRS})
    set(libraries ${OpenBLAS_LIBRARIES})
  else()
    find_package(BLAS QUIET)
    find_path(ATTN_CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES blis openblas mkl)
    if(BLAS_FOUND AND ATTN_CBLAS_INCLUDE_DIR)
      set(headers ${ATTN_CBLAS_INCLUDE_DIR})
      set(libraries ${BLAS_LIBRARIES})
    endif()
  endif()
  if(NOT libraries)
    set(absent "no CBLAS found (libopenblas-dev); ${get_peers}" PARENT_SCOPE)
  elseif(NOT OpenMP_C_FOUND)
    set(absent "the C compiler has no OpenMP; choose another with CC and configure again" PARENT_SCOPE)
  else()
    add_library(attn_library_blas INTERFACE IMPORTED)
    target_include_directories(attn_library_blas INTERFACE ${headers})
    target_link_libraries(attn_library_blas INTERFACE ${libraries} OpenMP::OpenMP_C m)
    set(absent "" PARENT_SCOPE)
  endif()
endfunction()

# Not by oneDNN's own package file: Debian's demands OpenCL headers, which a CPU needs not, and ends CMake without them.
function(attn_find_onednn)
  find_path(ATTN_ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
  find_library(ATTN_ONEDNN_LIBRARY dnnl)
  if(NOT ATTN_ONEDNN_INCLUDE_DIR OR NOT ATTN_ONEDNN_LIBRARY)
    set(absent "oneDNN not found (libdnnl-dev); ${get_peers}" PARENT_SCOPE)
    return()
  endif()
  set(absent "")
  add_library(attn_library_onednn INTERFACE IMPORTED)
  target_include_directories(attn_library_onednn INTERFACE ${ATTN_ONEDNN_INCLUDE_DIR})
  target_link_libraries(attn_library_onednn INTERFACE ${ATTN_ONEDNN_LIBRARY} OpenMP::OpenMP_CXX)
  attn_probe(onednn [[
#include <oneapi/dnnl/dnnl.hpp>
#if DNNL_VERSION_MAJOR != 2 || DNNL_VERSION_MINOR < 6 || DNNL_CPU_RUNTIME != DNNL_RUNTIME_OMP
#error "needs oneDNN 2.6 or a later 2 on OpenMP"
#endif
auto* use = &dnnl_version;]])
  set(absent "${absent}" PARENT_SCOPE)
endfunction()

# libtorch as tools/setup --peers installs it, or below CMAKE_PREFIX_PATH. Not by PyTorch's own package file, which sets
# flags of its own and prints what it misses of PyTorch's parts.
function(attn_find_torch)
  file(GLOB installed ${PROJECT_SOURCE_DIR}/.venv/peers/lib/python3*/site-packages/torch)
  if(NOT CMAKE_CROSSCOMPILING)
    find_path(ATTN_TORCH_INCLUDE_DIR ATen/ops/scaled_dot_product_attention.h HINTS ${installed} PATH_SUFFIXES include)
    find_library(ATTN_TORCH_LIBRARY torch_cpu HINTS ${installed} PATH_SUFFIXES lib)
    find_library(ATTN_TORCH_C10_LIBRARY c10 HINTS ${installed} PATH_SUFFIXES lib)
    find_library(ATTN_TORCH_DEPENDENCIES torch_global_deps HINTS ${installed} PATH_SUFFIXES lib)
  endif()
  if(NOT ATTN_TORCH_INCLUDE_DIR OR NOT ATTN_TORCH_LIBRARY OR NOT ATTN_TORCH_C10_LIBRARY)
    set(absent "libtorch not found (the package torch of pip); ${get_peers}" PARENT_SCOPE)
    return()
  endif()
  set(absent "")
  add_library(attn_library_torch INTERFACE IMPORTED)
  target_include_directories(attn_library_torch INTERFACE ${ATTN_TORCH_INCLUDE_DIR}
                             ${ATTN_TORCH_INCLUDE_DIR}/torch/csrc/api/include)
  # Python loads torch_global_deps first, which alone knows where the OpenMP runtime is that PyTorch was delivered with:
  # without it the loader takes the system's.
  if(ATTN_TORCH_DEPENDENCIES)
    target_link_libraries(attn_library_torch INTERFACE
      -Wl,--push-state,--no-as-needed ${ATTN_TORCH_DEPENDENCIES} -Wl,--pop-state)
  endif()
  target_link_libraries(attn_library_torch INTERFACE ${ATTN_TORCH_LIBRARY} ${ATTN_TORCH_C10_LIBRARY})
  # 2.7 is the first that is always built for the C++11 ABI of libstdc++.
  attn_probe(torch [[
#include <torch/version.h>
#if TORCH_VERSION_MAJOR != 2 || TORCH_VERSION_MINOR < 7
#error "needs PyTorch 2.7 or a later 2"
#endif
#include <ATen/ops/scaled_dot_product_attention.h>
auto* use = &at::_ops::scaled_dot_product_attention::call;]])
  set(absent "${absent}" PARENT_SCOPE)
endfunction()

function(attn_find_eigen)
  find_package(Eigen3 3.4 CONFIG QUIET)
  if(NOT Eigen3_FOUND)
    set(absent "Eigen 3.4 not found (libeigen3-dev); ${get_peers}" PARENT_SCOPE)
    return()
  endif()
  add_library(attn_library_eigen INTERFACE IMPORTED)
  target_link_libraries(attn_library_eigen INTERFACE Eigen3::Eigen)
  set(ATTN_EIGEN_VERSION ${Eigen3_VERSION} PARENT_SCOPE)
  set(absent "" PARENT_SCOPE)
endfunction()

# ggml where somebody installed it; no distribution package has it yet.
function(attn_find_ggml)
  set(get_peers "build it with shared libraries, install it and configure with CMAKE_PREFIX_PATH there")
  find_path(ATTN_GGML_INCLUDE_DIR ggml-cpu.h HINTS ${ggml_DIR}/../../../include)
  find_library(ATTN_GGML_BASE_LIBRARY ggml-base HINTS ${ggml_DIR}/../../../lib)
  find_library(ATTN_GGML_CPU_LIBRARY ggml-cpu HINTS ${ggml_DIR}/../../../lib)
  if(NOT ATTN_GGML_INCLUDE_DIR OR NOT ATTN_GGML_BASE_LIBRARY OR NOT ATTN_GGML_CPU_LIBRARY)
    set(absent "ggml not found; ${get_peers}" PARENT_SCOPE)
    return()
  endif()
  set(absent "")
  add_library(attn_library_ggml INTERFACE IMPORTED)
  target_include_directories(attn_library_ggml INTERFACE ${ATTN_GGML_INCLUDE_DIR})
  target_link_libraries(attn_library_ggml INTERFACE ${ATTN_GGML_CPU_LIBRARY} ${ATTN_GGML_BASE_LIBRARY})
  # While masks had to be padded, it was another interface.
  attn_probe(ggml [[
#include <ggml-cpu.h>
#ifdef GGML_KQ_MASK_PAD
#error "this ggml is too old"
#endif
auto* use = &ggml_graph_compute;
auto* version = &ggml_version;]])
  set(absent "${absent}" PARENT_SCOPE)
endfunction()
