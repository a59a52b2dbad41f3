# Cross build for AArch64 on an x86-64 Debian machine; its programs run under user-mode emulation. `tools/setup --ci`
# installs compiler, emulator and libraries; preset aarch64 uses this file.
#
# The libraries are Debian's own arm64 packages, side by side with the native ones (multiarch). Headers are shared in
# /usr/include, so there is no sysroot and no CMAKE_FIND_ROOT_PATH: the library architecture alone makes find_package
# look into /usr/lib/aarch64-linux-gnu, and the emulator finds the arm64 loader where native programs would.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# Sealing (variants/attn_add_variants.cmake) needs the target's objcopy, the test of the seal its nm.
find_program(CMAKE_OBJCOPY aarch64-linux-gnu-objcopy REQUIRED)
find_program(CMAKE_NM aarch64-linux-gnu-nm REQUIRED)
find_program(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 REQUIRED)

set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
