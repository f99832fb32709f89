// What the harnesses that run graphs share: a package and ONNX Runtime, named in the environment.
//
//   EMOFACE_FUZZ_PACKAGE  a package; csrc/fuzz/make_seeds.py writes a tiny one
//   EMOFACE_ONNXRUNTIME   ONNX Runtime's shared library
#pragma once

#include <cstdio>
#include <cstdlib>

#include "emoface.h"

inline void load_onnxruntime() {
    static const bool loaded = emoface_onnxruntime_load(nullptr) == EMOFACE_OK;
    if (loaded) return;
    std::fprintf(stderr, "%s\n", emoface_last_error());
    std::exit(2);
}

inline emoface_package* fuzz_package() {
    static emoface_package* package = [] {
        load_onnxruntime();
        emoface_package* opened = nullptr;
        const char* path = std::getenv("EMOFACE_FUZZ_PACKAGE");
        if (emoface_package_open(path ? path : "", &opened) != EMOFACE_OK) {
            std::fprintf(stderr, "%s\n", emoface_last_error());
            std::exit(2);
        }
        return opened;
    }();
    return package;
}
