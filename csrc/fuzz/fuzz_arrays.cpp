// libFuzzer: the arrays of a face or of golden vectors. An input is a byte that chooses, and parts: name and .npy file
// of each array in turn, which the harness packs and hashes.
#include "fuzz_inputs.h"
#include "fuzz_world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::vector<Input> parts = parts_of(data + 1, size - 1);
    std::vector<std::pair<std::string, Input>> members;
    for (size_t i = 0; i + 1 < parts.size(); i += 2) members.emplace_back(std::string(parts[i].begin(), parts[i].end()), parts[i + 1]);
    const bool golden = data[0] & 1;
    const Input npz = stored_zip(members);
    emoface_package* package = open_package(package_with(golden ? "golden.npz" : "face.npz", npz.data(), npz.size()));
    if (package == nullptr) return 0;
    if (golden) {
        // Golden vectors are read when they are compared.
        load_onnxruntime();
        emoface_verification result{};
        result.struct_size = sizeof result;
        require(emoface_verify(package, nullptr, &result) != EMOFACE_ERROR_INTERNAL);
    }
    emoface_package_release(package);
    return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
    if (size < 2 || seed % 50 == 0) return LLVMFuzzerMutate(data, size, most);
    if (seed % 4) return 1 + mutate_parts(data + 1, size - 1, most - 1, seed);
    // The length that a .npy file says its header has.
    std::vector<Input> parts = parts_of(data + 1, size - 1);
    Random random(seed);
    if (parts.empty()) return LLVMFuzzerMutate(data, size, most);
    Input& file = parts[random() % parts.size()];
    const uint64_t values[] = {0, 1, 16, file.size() - 10, file.size() - 9, file.size(), 4096, 0xFFFF, random()};
    set(file, 8, values[random() % std::size(values)], 2);
    return 1 + join_parts(parts, data + 1, most - 1);
}
