// The Unreal plugin's core without the engine: axes, clock, ring, names, and a voice against the real library.
//
//   test_core LIBRARY ONNXRUNTIME PACKAGE PACKAGE_THAT_MOVES_THE_HEAD PACKAGE_THAT_LOOKS_AND_TURNS
#include "EmoFaceCoordinates.h"
#include "EmoFaceCurves.h"
#include "EmoFaceTiming.h"
#include "EmoFaceVoice.h"

#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

namespace {

void expect(bool condition, const char* what, int line) {
    if (condition) return;
    std::fprintf(stderr, "line %d: expected %s\n", line, what);
    std::exit(1);
}
#define EXPECT(condition) expect(condition, #condition, __LINE__)

void axes() {
    emoface::Coordinates c;
    EXPECT(emoface::read_axes("+Y up, +Z front", 1.0, &c));
    const float point[3] = {1, 2, 3};
    double made[3];
    c.convert(point, made);
    EXPECT(made[0] == 300 && made[1] == -100 && made[2] == 200);  // front, right, up in centimetres
    EXPECT(emoface::read_axes("+Z up, -Y front", 0.01, &c));      // Blender's axes: left is Z x -Y = +X
    c.convert(point, made);
    EXPECT(made[0] == -2 && made[1] == -1 && made[2] == 3);
    EXPECT(emoface::read_axes("+Z up, +X front", 0.01, &c));
    c.convert(point, made);
    EXPECT(made[0] == 1 && made[1] == -2 && made[2] == 3);
    for (const char* wrong : {"", "+Y up", "+Y up, +Y front", "?Y up, +Z front", "+W up, +Z front", "+Y up, +Z behind"})
        EXPECT(!emoface::read_axes(wrong, 1.0, &c));
}

// Buffers of 1024 samples, rendered three at a time and late by up to 5 ms.
void stream_clock() {
    emoface::StreamClock clock;
    EXPECT(!clock.started());
    std::mt19937 random(1);
    std::uniform_real_distribution<double> late(0.0, 0.005);
    double worst = 0, last = 0;
    for (int i = 0; i < 900; ++i) {
        const double burst = (i / 3) * 3 * 1024.0 / 48000;
        clock.buffer(int64_t(i) * 1024, 48000, 10.0 + burst + late(random));
        if (i > 300) worst = std::max(worst, std::fabs(clock.start() - last));
        last = clock.start();
    }
    EXPECT(worst < 0.0015);                       // raw, it would step by 43 ms
    EXPECT(std::fabs(clock.start() - 9.98) < 0.015);  // the mean of a burst lies a buffer before its first
    clock.buffer(900 * 1024, 48000, 60.0);        // the sound was paused
    EXPECT(clock.started() && std::fabs(clock.start() - (60.0 - 900 * 1024.0 / 48000)) < 1e-9);
}

void sync() {
    const emoface::Sync delayed = emoface::make_sync(0.17, 0.04, true);
    EXPECT(std::fabs(delayed.sound_delay - 0.16) < 1e-12 && delayed.face_lag == 0 && std::fabs(delayed.face_delay - 0.2) < 1e-12);
    const emoface::Sync lagging = emoface::make_sync(0.17, 0.04, false);
    EXPECT(lagging.sound_delay == 0 && std::fabs(lagging.face_lag - 0.16) < 1e-12);
    const emoface::Sync slow = emoface::make_sync(0.17, 0.5, true);  // Bluetooth: the sound is late enough by itself
    EXPECT(slow.sound_delay == 0 && slow.face_lag == 0 && slow.face_delay == 0.5);
}

void ring() {
    emoface::DelayRing ring(100, 64);
    std::vector<float> in(1000), out;
    for (size_t i = 0; i < in.size(); ++i) in[i] = float(i + 1);
    std::vector<float> part(50);
    for (int first = 0; first < 1000; first += 50) {
        EXPECT(ring.write(&in[size_t(first)], 50) == 50);
        ring.read(part.data(), 50);
        out.insert(out.end(), part.begin(), part.end());
    }
    for (size_t i = 0; i < out.size(); ++i) EXPECT(out[i] == (i < 100 ? 0.0f : in[i - 100]));
    EXPECT(ring.write(in.data(), 1000) == 65);  // what does not fit is dropped
    std::vector<float> rest(400);
    ring.read(rest.data(), 400);
    EXPECT(rest[164] == 65.0f && rest[165] == 0.0f);  // then silence
    // The reader runs on while no sound comes: what comes then is late by the same delay, not by what was left of it.
    emoface::DelayRing paused(4800, 48000);
    std::vector<float> buffer(480);
    for (const int gap : {100, 3, 7, 15}) {
        for (int i = 0; i < gap; ++i) paused.read(buffer.data(), 480);
        const std::vector<float> one(480, float(gap));
        int waited = 0;
        bool heard = false;
        for (int block = 0; block < 12 && !heard; ++block) {
            paused.write(one.data(), 480);
            paused.read(buffer.data(), 480);
            for (size_t i = 0; i < 480 && !heard; ++i, ++waited) heard = buffer[i] == float(gap);
        }
        EXPECT(heard && waited - 1 <= 4800 && waited - 1 >= 4800 - 2400);
    }
    emoface::DelayRing shared(0, 256);
    std::thread writer([&] {
        for (int sent = 0; sent < 1000;) sent += shared.write(&in[size_t(sent)], std::min(37, 1000 - sent));
    });
    float next = 1, sample;
    while (next <= 1000) {
        shared.read(&sample, 1);
        if (sample == 0) continue;
        EXPECT(sample == next);
        ++next;
    }
    writer.join();
    const float stereo[4] = {1, 3, -2, 0};
    float mono[2];
    emoface::mix_down(stereo, 2, 2, mono);
    EXPECT(mono[0] == 2 && mono[1] == -1);
}

void names() {
    EXPECT(emoface::live_link_name("jawOpen") == "JawOpen" && emoface::live_link_name("").empty());
    const auto map = emoface::map_curves({"jawOpen", "eyeBlinkLeft", "mouthSmileRight", "tongueOut", "mouthPucker"},
                                         {"x", "Head.EyeBlink_L", "geo:jaw_open", "mouthSmile-R", "JawOpen", "MouthPucker"});
    EXPECT((map == std::vector<int>{2, 1, 3, -1, 5}));
}

// A voice in real time: a moving jaw, every failure with its reason, closing while another thread pushes.
void voice(const char* path, const char* onnxruntime, const char* package_path, const char* moving_path,
           const char* looking_path) {
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    EXPECT(library != nullptr);
    emoface::Api api;
    std::string problem;
    EXPECT(!emoface::load_api(&api, [](const char*) { return static_cast<void*>(nullptr); }, &problem));
    EXPECT(problem.find("emoface_abi_version") != std::string::npos);
    EXPECT(emoface::load_api(&api, [&](const char* name) { return dlsym(library, name); }, &problem));
    EXPECT(api.onnxruntime_load(onnxruntime) == EMOFACE_OK);
    EXPECT(emoface::VoicePackage::open(api, "no/größe.emoface", &problem) == nullptr);
    EXPECT(problem.find("größe") != std::string::npos);
    EXPECT(emoface::VoicePackage::open(api, moving_path, &problem) == nullptr);
    EXPECT(problem.find("moves the head as a whole") != std::string::npos);
    const auto package = emoface::VoicePackage::open(api, package_path, &problem);
    EXPECT(package != nullptr && package->text(EMOFACE_TEXT_AXES) == "+Y up, +Z front");
    EXPECT(package->names(EMOFACE_NAMES_BLENDSHAPES).size() == 3 && package->names(EMOFACE_NAMES_EMOTIONS).back() == "auto");

    emoface::VoiceOptions options;
    options.emotion = "nobody";
    EXPECT(emoface::Voice::start(api, package, options, &problem) == nullptr);
    EXPECT(problem.find("nobody") != std::string::npos);
    options.emotion = "happy";
    options.upper_strength = 9.0;
    EXPECT(emoface::Voice::start(api, package, options, &problem) == nullptr);
    EXPECT(problem.find("upper_strength = 9") != std::string::npos);
    options.upper_strength = options.lower_strength = 1.5;
    options.vertices = true;
    auto voice = emoface::Voice::start(api, package, options, &problem);
    EXPECT(voice != nullptr && voice->latency_seconds() > 0 && voice->sample_rate() == 48000);
    EXPECT(voice->sample(0.0, &problem) && voice->weights()[0] == 0);
    EXPECT(voice->set_emotion("sad", &problem) && voice->set_level("", &problem));
    EXPECT(!voice->set_person("nobody", &problem) && problem.find("'person'") != std::string::npos);
    EXPECT(!voice->set_style("nobody", &problem) && problem.find("nobody") != std::string::npos);
    // Calibration: refused by name, taken, kept for the next voice, forgotten.
    std::vector<float> speech(16000 * 3), mean;
    for (size_t i = 0; i < speech.size(); ++i) speech[i] = float(0.3 * std::sin(0.07 * double(i)) * std::sin(0.0007 * double(i)));
    EXPECT(!voice->calibrate(speech.data(), 16000, 16000, &mean, &problem) && mean.empty());
    EXPECT(problem.find("of audible speech") != std::string::npos);
    EXPECT(voice->calibrate(speech.data(), int(speech.size()), 16000, &mean, &problem) && !mean.empty());
    EXPECT(voice->set_speaker_mean({}, &problem) && voice->set_speaker_mean(mean, &problem));
    EXPECT(!voice->set_speaker_mean({1.0f}, &problem) && problem.find("1 values") != std::string::npos);
    options.speaker_mean = mean;
    options.blinks = false;
    EXPECT(emoface::Voice::start(api, package, options, &problem) != nullptr);
    options.speaker_mean = {1.0f};
    EXPECT(emoface::Voice::start(api, package, options, &problem) == nullptr);
    options.speaker_mean.clear();
    options.blinks = true;
    options.blink_seed = 4294967295u;
    std::vector<float> chunk(480);
    for (int i = 0; i < 100; ++i) {
        for (int j = 0; j < 480; ++j) {
            const double t = (i * 480 + j) / 48000.0;
            chunk[size_t(j)] = float(0.4 * std::sin(2 * M_PI * 180 * t) * std::sin(2 * M_PI * 2 * t));
        }
        EXPECT(voice->push(chunk.data(), 480) == EMOFACE_OK);
    }
    EXPECT(voice->flush(0.5, &problem) && voice->push(chunk.data(), 480) == EMOFACE_ERROR_STREAM_ENDED);
    const int64_t due = int64_t(1.5 * package->info().fps);
    for (int wait = 0; wait < 5000 && voice->statistics().frames < due; ++wait)
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT(voice->statistics().frames == due && voice->statistics().failed == EMOFACE_OK);
    double moved = 0;
    for (double t = 0; t < 1.0; t += 0.01) {
        EXPECT(voice->sample(t, &problem));
        for (int i = 0; i < 3 * package->info().vertices; ++i)
            moved = std::max(moved, double(std::fabs(voice->vertices()[size_t(i)] - package->neutral()[i])));
        for (const float weight : voice->weights()) EXPECT(weight >= 0 && weight <= 1);
    }
    EXPECT(moved > 1e-3);
    EXPECT(voice->sample(60.0, &problem));  // long after the last frame: neutral, by the tail
    for (int i = 0; i < 3 * package->info().vertices; ++i)
        EXPECT(std::fabs(voice->vertices()[size_t(i)] - package->neutral()[i]) < 1e-6);

    // Gaze and head sway of a face that has eyes and a pivot: eyes that move, a head that turns once it is asked for.
    EXPECT(voice->head_rotation().empty() && voice->head_translation().empty());
    const auto looking = emoface::VoicePackage::open(api, looking_path, &problem);
    EXPECT(looking != nullptr);
    emoface::VoiceOptions still, swaying;
    still.vertices = swaying.vertices = swaying.head_sway = true;
    still.gaze = still.blinks = false;
    const auto one = emoface::Voice::start(api, looking, still, &problem);
    const auto two = emoface::Voice::start(api, looking, swaying, &problem);
    EXPECT(one != nullptr && one->head_rotation().empty());
    EXPECT(two != nullptr && two->head_rotation().size() == 9 && two->head_translation().size() == 3);
    const int64_t held = looking->info().fps;
    for (emoface::Voice* each : {one.get(), two.get()}) {
        for (int i = 0; i < 120; ++i) EXPECT(each->push(chunk.data(), 480) == EMOFACE_OK);
        for (int wait = 0; wait < 5000 && each->statistics().frames < held; ++wait)
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        EXPECT(each->sample(0.8, &problem));
    }
    EXPECT(one->vertices() != two->vertices() && two->head_rotation()[0] > 0.99f && two->head_rotation()[5] != 0.0f);

    for (int round = 0; round < 10; ++round) {
        auto other = emoface::Voice::start(api, package, options, &problem);
        std::atomic<bool> end{false};
        std::atomic<int> pushed{0};
        std::thread audio([&] {
            while (!end) {
                if (other->push(chunk.data(), 32) == EMOFACE_OK) ++pushed;
                std::this_thread::yield();
            }
        });
        while (pushed < 5) std::this_thread::yield();
        other->close();
        EXPECT(other->push(chunk.data(), 32) == EMOFACE_ERROR_MODE);
        end = true;
        audio.join();
    }
}

}  // namespace

int main(int count, char** arguments) {
    axes();
    stream_clock();
    sync();
    ring();
    names();
    if (count == 6) voice(arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
    std::puts("passed");
    return 0;
}
