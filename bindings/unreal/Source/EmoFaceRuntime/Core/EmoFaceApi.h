// The C interface, found by name in a library that was loaded at run time. Standard C++17, no engine.
#pragma once

#include <emoface.h>

#include <string>

namespace emoface {

#define EMOFACE_FUNCTIONS(X) \
    X(abi_version) X(version) X(last_error) X(set_log) X(onnxruntime_load) \
    X(package_open) X(package_release) X(package_get_info) X(package_text) X(package_name_count) X(package_name) \
    X(package_template) X(package_faces) X(package_colours) X(animator_create) X(animator_release) X(animator_get_info) \
    X(set_style) X(set_emotion) X(set_level) X(set_person) X(set_condition) X(calibrate) X(start) X(flush) X(push) X(sample) \
    X(get_statistics)

struct Api {
#define EMOFACE_DECLARE(name) decltype(&emoface_##name) name = nullptr;
    EMOFACE_FUNCTIONS(EMOFACE_DECLARE)
#undef EMOFACE_DECLARE
};

// Fill `api` by `symbol(name)`; false with a reason where a function is missing or the interface is another one.
template <typename Symbol>
bool load_api(Api* api, Symbol&& symbol, std::string* problem) {
#define EMOFACE_FIND(name)                                                              \
    api->name = reinterpret_cast<decltype(api->name)>(symbol("emoface_" #name));        \
    if (api->name == nullptr) {                                                         \
        *problem = "got a library without emoface_" #name "; expected EmoFace's. Take library and plugin of one release."; \
        return false;                                                                   \
    }
    EMOFACE_FUNCTIONS(EMOFACE_FIND)
#undef EMOFACE_FIND
    if (api->abi_version() == EMOFACE_ABI_VERSION) return true;
    *problem = "got a library of binary interface " + std::to_string(api->abi_version()) + "; expected " +
               std::to_string(EMOFACE_ABI_VERSION) + ". Take library and plugin of one release.";
    return false;
}

}  // namespace emoface
