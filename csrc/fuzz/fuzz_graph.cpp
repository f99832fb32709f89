// libFuzzer: a graph of a package. The first byte chooses which; what is not refused is loaded and run.
#include "fuzz_inputs.h"
#include "fuzz_world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const std::vector<std::string> graphs = [] {
        std::vector<std::string> names;
        for (const auto& [name, unused] : seed_files())
            if (name.size() > 5 && name.compare(name.size() - 5, 5, ".onnx") == 0) names.push_back(name);
        return names;
    }();
    if (size == 0) return 0;
    load_onnxruntime();
    emoface_package* package = open_package(package_with(graphs[data[0] % graphs.size()], data + 1, size - 1));
    if (package == nullptr) return 0;
    emoface_animator_config config{};
    config.struct_size = sizeof config;
    config.backend = "ort-cpu";
    emoface_animator* animator = nullptr;
    const emoface_status status = emoface_animator_create(package, &config, &animator);
    require((status == EMOFACE_OK) == (animator != nullptr) && status != EMOFACE_ERROR_INTERNAL);
    if (animator != nullptr) {
        const std::vector<float> silence(3000, 0.0f);
        require(emoface_step(animator, silence.data(), int64_t(silence.size()), nullptr, 0, nullptr) != EMOFACE_ERROR_INTERNAL);
    }
    emoface_animator_release(animator);
    emoface_package_release(package);
    return 0;
}
