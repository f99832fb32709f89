# Cross-compiling for Windows with MinGW-w64 (Debian: g++-mingw-w64-x86-64-posix libz-mingw-w64-dev):
#   cmake -S csrc -B build/windows -DCMAKE_TOOLCHAIN_FILE=csrc/windows/mingw-w64.cmake -DONNXRUNTIME_ROOT=build/onnxruntime
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
