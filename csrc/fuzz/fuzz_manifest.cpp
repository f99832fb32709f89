// libFuzzer: manifest.json, in a package whose other files stay as they are: as a zip in memory, and as a folder.
#include <unistd.h>

#include "fuzz_inputs.h"

namespace {

// A folder with the seed's files, for this process alone; it goes with it.
class Folder {
public:
    Folder() {
        const char* place = std::getenv("TMPDIR");
        path_ = std::filesystem::path(place ? place : "/tmp") / ("emoface-fuzz-" + std::to_string(getpid()));
        std::filesystem::create_directory(path_);
        for (const auto& [name, data] : seed_files()) write(name, data.data(), data.size());
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    void write(const std::string& name, const uint8_t* data, size_t size) const {
        std::ofstream(path_ / name, std::ios::binary).write(reinterpret_cast<const char*>(data), std::streamsize(size));
    }
    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const Folder folder;
    emoface_package* package = open_package(package_with("manifest.json", data, size));
    const bool taken = package != nullptr;
    emoface_package_release(package);
    folder.write("manifest.json", data, size);
    package = nullptr;
    const emoface_status status = emoface_package_open(folder.path().c_str(), &package);
    require((status == EMOFACE_OK) == taken && status != EMOFACE_ERROR_INTERNAL);
    emoface_package_release(package);
    return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
    Random random(seed);
    Input text(data, data + size);
    mutate_json(text, random);
    return give(text, data, most);
}
