// What differs between operating systems: shared libraries, the folder of this one, the environment. Text is UTF-8.
#pragma once

#include <string>

namespace emoface::runtime {

extern const char* const kOnnxRuntimeName;   // file name of ONNX Runtime's library
extern const char* const kKernelLibraryName;  // file name of EmoFace's kernels for it

// Open a library with its symbols seen by nobody else; null and a reason in `error` where that fails. A bare name is
// looked for where the system looks.
void* open_library(const std::string& path, std::string* error);
void* library_symbol(void* library, const char* name);
void close_library(void* library);

// The file that `address` was loaded from, "" where that is unknown.
std::string file_of(const void* address);

// The folder that this library was loaded from, with a separator at its end; "" where that is unknown.
std::string own_folder();

// A variable of the environment, "" where it is not set.
std::string environment(const char* name);

// Set a variable of this process's environment where it has none of that name.
void set_environment(const char* name, const char* value);

}  // namespace emoface::runtime
