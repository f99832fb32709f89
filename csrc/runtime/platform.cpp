#include "platform.h"

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#include <cstdlib>
#include <vector>
#else
#include <dlfcn.h>
#include <cstdlib>
#endif

namespace emoface::runtime {
namespace {

// Any address within this library will do.
const char anchor = 0;

std::string folder_of(const std::string& file) {
    const size_t end = file.find_last_of("/\\");
    return end == std::string::npos ? std::string() : file.substr(0, end + 1);
}

}  // namespace

#ifdef _WIN32

const char* const kOnnxRuntimeName = "onnxruntime.dll";
const char* const kKernelLibraryName = "emoface_onnxruntime.dll";

namespace {

std::wstring wide(const std::string& text) {
    const int length = MultiByteToWideChar(CP_UTF8, 0, text.data(), int(text.size()), nullptr, 0);
    std::wstring result(size_t(length), L'\0');
    MultiByteToWideChar(CP_UTF8, 0, text.data(), int(text.size()), result.data(), length);
    return result;
}

std::string narrow(const wchar_t* text, int size) {
    const int length = WideCharToMultiByte(CP_UTF8, 0, text, size, nullptr, 0, nullptr, nullptr);
    std::string result(size_t(length), '\0');
    WideCharToMultiByte(CP_UTF8, 0, text, size, result.data(), length, nullptr, nullptr);
    return result;
}

std::string file_of_module(HMODULE module) {
    std::vector<wchar_t> buffer(32768);
    const DWORD size = GetModuleFileNameW(module, buffer.data(), DWORD(buffer.size()));
    return size == 0 || size == buffer.size() ? std::string() : narrow(buffer.data(), int(size));
}

}  // namespace

void* open_library(const std::string& path, std::string* error) {
    const std::wstring name = wide(path);
    // With a full path the library's own folder is searched for what it needs, before the application's.
    const bool full = path.find_first_of("/\\") != std::string::npos;
    const HMODULE module = full ? LoadLibraryExW(name.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH)
                                : LoadLibraryW(name.c_str());
    if (module == nullptr && error != nullptr) *error = "Windows error " + std::to_string(GetLastError());
    return reinterpret_cast<void*>(module);
}

void* library_symbol(void* library, const char* name) {
    return reinterpret_cast<void*>(GetProcAddress(reinterpret_cast<HMODULE>(library), name));
}

void close_library(void* library) { FreeLibrary(reinterpret_cast<HMODULE>(library)); }

std::string file_of(const void* address) {
    HMODULE module = nullptr;
    const DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (!GetModuleHandleExW(flags, reinterpret_cast<LPCWSTR>(address), &module)) return {};
    return file_of_module(module);
}

std::string environment(const char* name) {
    const std::wstring key = wide(name);
    const DWORD size = GetEnvironmentVariableW(key.c_str(), nullptr, 0);
    if (size == 0) return {};
    std::wstring value(size, L'\0');
    const DWORD length = GetEnvironmentVariableW(key.c_str(), value.data(), size);
    return narrow(value.data(), int(length));
}

void set_environment(const char* name, const char* value) {
    // Libraries read the system's environment or that of the C runtime; this sets both.
    if (GetEnvironmentVariableW(wide(name).c_str(), nullptr, 0) == 0) _putenv((std::string(name) + "=" + value).c_str());
}

#else

#ifdef __APPLE__
const char* const kOnnxRuntimeName = "libonnxruntime.dylib";
const char* const kKernelLibraryName = "libemoface_onnxruntime.dylib";
#else
const char* const kOnnxRuntimeName = "libonnxruntime.so";
const char* const kKernelLibraryName = "libemoface_onnxruntime.so";
#endif

void* open_library(const std::string& path, std::string* error) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr && error != nullptr) {
        const char* reason = dlerror();
        *error = reason ? reason : "unknown reason";
    }
    return library;
}

void* library_symbol(void* library, const char* name) { return dlsym(library, name); }

void close_library(void* library) { dlclose(library); }

std::string file_of(const void* address) {
    Dl_info info{};
    return dladdr(address, &info) && info.dli_fname ? std::string(info.dli_fname) : std::string();
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

void set_environment(const char* name, const char* value) { setenv(name, value, 0); }

#endif

std::string own_folder() { return folder_of(file_of(&anchor)); }

}  // namespace emoface::runtime
