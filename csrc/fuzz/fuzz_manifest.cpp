// libFuzzer: manifest.json, in a package whose other files stay as they are.
#include "fuzz_inputs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    emoface_package_release(open_package(package_with("manifest.json", data, size)));
    return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
    Random random(seed);
    Input text(data, data + size);
    mutate_json(text, random);
    const size_t made = std::min(text.size(), most);
    std::memcpy(data, text.data(), made);
    return made;
}
