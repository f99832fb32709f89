// emoface._runtime: the C++ runtime for Python. The interpreter lock is released while a stream runs.
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <memory>
#include <string>

#include "calibrate.h"
#include "engine.h"
#include "failure.h"
#include "package.h"
#include "snapshot.h"

namespace py = pybind11;

namespace emoface::runtime {
namespace {

using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;

// Files that Python has read and verified; their hashes are compared once more.
class GivenFiles : public FileSource {
public:
    explicit GivenFiles(const std::map<std::string, py::bytes>& files) {
        for (const auto& [name, data] : files) views_[name] = std::string_view(data);
    }
    Bytes read(const std::string& name, uint64_t limit) const override {
        const auto found = views_.find(name);
        if (found == views_.end() || found->second.size() > limit)
            fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, name + ": nothing", "every file of the package", kFetch);
        return Bytes(found->second.begin(), found->second.end());
    }

private:
    std::map<std::string, std::string_view> views_;
};

// Frames of one call, written into arrays that Python owns.
class Motion : public FrameSink {
public:
    Motion(const Driver& driver, int64_t count) : first(driver.frames()) {
        const Manifest& manifest = driver.manifest();
        const auto has = [&](const char* role) { return manifest.outputs.count(role) != 0; };
        const py::ssize_t n = count, vertices = manifest.vertices;
        const py::ssize_t emotions = has("emotion") ? py::ssize_t(manifest.emotions.size()) : 0;
        offsets = Floats({n, vertices, py::ssize_t(3)});
        emotion = Floats({n, emotions});
        weight = Floats({n, has("emotion_weight") ? vertices : py::ssize_t(0)});
        rows_[0] = {offsets.mutable_data(), size_t(3 * vertices)};
        rows_[1] = {emotion.mutable_data(), size_t(emotions)};
        rows_[2] = {weight.mutable_data(), size_t(weight.shape(1))};
    }
    void frame(const RawFrame& raw) override {
        const float* sources[] = {raw.offsets, raw.emotion, raw.weight};
        for (size_t i = 0; i < 3; ++i) {
            if (sources[i] != nullptr) std::copy_n(sources[i], rows_[i].width, rows_[i].next);
            rows_[i].next += rows_[i].width;
        }
    }
    py::tuple tuple() const { return py::make_tuple(first, offsets, emotion, weight); }

    int64_t first;
    Floats offsets, emotion, weight;

private:
    struct Row {
        float* next;
        size_t width;
    };
    Row rows_[3] = {};
};

class PythonStream {
public:
    PythonStream(std::shared_ptr<Package> package, const std::string& precision, int threads, int64_t block_features,
                 int64_t rate, const std::vector<std::vector<float>>& conditions)
        : package_(std::move(package)),
          engine_(package_->engine(resolve_backend(""), precision, threads)),
          driver_(package_->manifest(), *engine_, block_features, rate, conditions),
          identity_{package_->digest(), engine_->backend(), engine_->precision(), rate, block_features} {}

    py::tuple feed(const Floats& samples) {
        Motion motion(driver_, driver_.frames_of_feed(samples.size()));
        const float* values = samples.data();
        const int64_t count = samples.size();
        {
            const py::gil_scoped_release release;
            for (int64_t done = 0; done < count;) {
                const int64_t part = std::min(count - done, Driver::kPiece);
                std::copy_n(values + done, part, driver_.room(part));
                driver_.feed(part, motion);
                done += part;
            }
        }
        return motion.tuple();
    }
    py::tuple finish(int64_t extra) {
        Motion motion(driver_, driver_.frames_of_finish(extra));
        {
            const py::gil_scoped_release release;
            driver_.finish(extra, motion);
        }
        return motion.tuple();
    }
    void reset() { driver_.reset(); }
    int64_t fed() const { return driver_.fed(); }
    int64_t blocks() const { return driver_.blocks(); }
    int64_t frames() const { return driver_.frames(); }
    int64_t latency() const { return driver_.latency(); }
    double earliest_change(const std::string& condition) const {
        return driver_.earliest_change(require_condition(package_->manifest(), condition));
    }
    // Every condition's values and the times from which they hold, in order.
    void set_conditions(const std::vector<std::tuple<std::string, double, std::vector<float>>>& given) {
        std::vector<std::vector<Change>> changes(package_->manifest().conditions.size());
        for (const auto& [name, at, value] : given)
            changes[require_condition(package_->manifest(), name)].push_back(
                {at, weighted_condition(package_->manifest(), name, value.data(), int64_t(value.size()))});
        driver_.timeline().restore(std::move(changes));
    }
    py::bytes snapshot(bool ended) const {
        SnapshotExtra extra;
        extra.ended = ended;
        const Bytes bytes = write_snapshot(driver_, identity_, extra);
        return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    void restore(const py::bytes& data) {
        const std::string_view view(data);
        read_snapshot(view.data(), view.size(), identity_, {}, driver_);
    }
    // Called with (stage, output, first, array) after every stage's call.
    void set_probe(const py::function& probe) {
        const Manifest& manifest = package_->manifest();
        driver_.set_probe([probe, &manifest](const Probed& probed) {
            const py::gil_scoped_acquire acquire;
            const StageSpec& stage = manifest.stages[probed.stage];
            const TensorSpec& output = stage.outputs[probed.output];
            std::vector<py::ssize_t> shape = {py::ssize_t(probed.count)};
            for (size_t axis = 2; axis < output.shape.size(); ++axis) shape.push_back(output.shape[axis].at(0));
            const py::array array(py::dtype(dtype_name(output.dtype)), shape, probed.values);
            probe(stage.name, output.name, probed.first, array);
        });
    }
    const Identity& identity() const { return identity_; }

private:
    std::shared_ptr<Package> package_;
    std::shared_ptr<Engine> engine_;
    Driver driver_;
    Identity identity_;
};

}  // namespace
}  // namespace emoface::runtime

PYBIND11_MODULE(_runtime, module) {
    using namespace emoface::runtime;
    module.doc() = "EmoFace's C++ runtime: the same streams as emoface.stream, driven without Python.";
    static py::handle fault = py::exception<Failure>(module, "Fault").release();
    py::register_exception_translator([](std::exception_ptr pointer) {
        try {
            if (pointer) std::rethrow_exception(pointer);
        } catch (const Failure& failure) {
            const py::tuple arguments = py::make_tuple(failure.status(), failure.got(), failure.expected(), failure.remedy());
            PyErr_SetObject(fault.ptr(), arguments.ptr());
        }
    });
    module.def("load_onnxruntime", &load_onnxruntime, py::arg("path"), "Load ONNX Runtime privately from this file.");
    module.def("set_kernel_library", &set_kernel_library, py::arg("path"),
               "Where the library of EmoFace's kernels for ONNX Runtime is.");
    module.def("onnxruntime_version", &onnxruntime_version, "Version of the ONNX Runtime that was loaded, or ''.");
    py::class_<Package, std::shared_ptr<Package>>(module, "Package", "A package from the bytes of its files.")
        .def(py::init([](const std::map<std::string, py::bytes>& files) {
                 return std::make_shared<Package>(GivenFiles(files));
             }),
             py::arg("files"))
        .def("prepare",
             [](Package& package, const std::string& precision, int threads) {
                 const py::gil_scoped_release release;
                 return package.engine(resolve_backend(""), precision, threads)->backend();
             },
             py::arg("precision"), py::arg("threads"), "Load the graphs; returns ort-cpu-native or ort-cpu.");
    module.def(
        "mean_feature",
        [](Package& package, const std::string& precision, int threads, int64_t block_features, int64_t rate, const Floats& samples) {
            const float* values = samples.data();
            const int64_t count = samples.size();
            VoiceMean mean;
            {
                const py::gil_scoped_release release;
                const auto engine = package.engine(resolve_backend(""), precision, threads);
                mean = mean_feature(package.manifest(), *engine, block_features, rate, values, count);
            }
            return py::make_tuple(mean.values, mean.features);
        },
        py::arg("package"), py::arg("precision"), py::arg("threads"), py::arg("block_features"), py::arg("rate"),
        py::arg("samples"), "Mean emotion feature of mono samples, and how many features it is the mean of.");
    py::class_<PythonStream>(module, "Stream", "One stream: mono samples in, offsets out.")
        .def(py::init<std::shared_ptr<Package>, const std::string&, int, int64_t, int64_t,
                      const std::vector<std::vector<float>>&>(),
             py::arg("package"), py::arg("precision"), py::arg("threads"), py::arg("block_features"), py::arg("rate"),
             py::arg("conditions"))
        .def("feed", &PythonStream::feed, py::arg("samples"), "samples (n,) -> first, offsets, emotion, emotion_weight.")
        .def("finish", &PythonStream::finish, py::arg("extra"), "The frames still due, and `extra` more.")
        .def("reset", &PythonStream::reset)
        .def_property_readonly("fed", &PythonStream::fed)
        .def_property_readonly("blocks", &PythonStream::blocks)
        .def_property_readonly("frames", &PythonStream::frames)
        .def_property_readonly("latency", &PythonStream::latency)
        .def("earliest_change", &PythonStream::earliest_change, py::arg("condition"))
        .def("set_conditions", &PythonStream::set_conditions, py::arg("changes"))
        .def("snapshot", &PythonStream::snapshot, py::arg("ended"))
        .def("restore", &PythonStream::restore, py::arg("data"))
        .def("set_probe", &PythonStream::set_probe, py::arg("probe"))
        .def_property_readonly("identity", [](const PythonStream& self) {
            const Identity& identity = self.identity();
            py::dict values;
            values["package"] = identity.package;
            values["backend"] = identity.backend;
            values["precision"] = identity.precision;
            values["sample_rate"] = identity.sample_rate;
            values["block_features"] = identity.block_features;
            return values;
        });
}
