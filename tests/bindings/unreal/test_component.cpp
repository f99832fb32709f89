// The Unreal component against a stand-in for the engine and the real library.
//
//   test_component LIBRARY ONNXRUNTIME PACKAGE
#include "EmoFaceComponent.h"
#include "EmoFaceDelayedSound.h"
#include "EmoFaceListener.h"
#include "EmoFaceModule.h"
#include "EmoFaceVoice.h"
// The example opens its actor to nobody: the check does.
#define protected public
#define private public
#include "TalkingFaceActor.h"
#undef protected
#undef private

#include <dlfcn.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {
std::string library_path, onnxruntime_path;

void expect(bool condition, const char* what, int line) {
    if (condition) return;
    std::fprintf(stderr, "line %d: expected %s; last message: %s\n", line, what, stub::logged.empty() ? "" : *stub::logged.back());
    std::exit(1);
}
#define EXPECT(condition) expect(condition, #condition, __LINE__)

// The mixer renders `count` frames of a tone in stereo, 48 kHz; returns what the left channel was.
std::vector<float> render(ISourceBufferListener& listener, int64_t* place, int count, int rate = 48000) {
    std::vector<float> stereo(size_t(2 * count)), left;
    for (int i = 0; i < count; ++i) {
        const double t = double(*place + i) / rate;
        const float value = float(0.4 * std::sin(2 * M_PI * 180 * t) * std::sin(2 * M_PI * 2 * t));
        stereo[size_t(2 * i)] = stereo[size_t(2 * i + 1)] = value;
        left.push_back(value);
    }
    *place += count;
    ISourceBufferListener::FOnNewBufferParams params;
    params.AudioData = stereo.data();
    params.NumSamples = 2 * count;
    params.NumChannels = 2;
    params.SampleRate = rate;
    listener.OnNewBuffer(params);
    return left;
}
}  // namespace

void* FPlatformProcess::GetDllHandle(const char*) { return dlopen(library_path.c_str(), RTLD_NOW | RTLD_LOCAL); }
void* FPlatformProcess::GetDllExport(void* library, const char* name) {
    // The plugin loads ONNX Runtime from its own folder: here it lies elsewhere.
    static int (*real)(const char*) = nullptr;
    if (std::strcmp(name, "emoface_onnxruntime_load") != 0) return dlsym(library, name);
    real = reinterpret_cast<int (*)(const char*)>(dlsym(library, name));
    return reinterpret_cast<void*>(+[](const char*) { return real(onnxruntime_path.c_str()); });
}
FString IPlugin::GetBaseDir() const { return "/plugin"; }

int main(int, char** arguments) {
    library_path = arguments[1];
    onnxruntime_path = arguments[2];
    FEmoFaceModule& module = FEmoFaceModule::Get();
    module.StartupModule();
    EXPECT(module.GetApi() != nullptr);

    UMorphTarget jaw("Head.JawOpen"), other("wings"), smile("mouthSmile_L");
    USkeletalMesh asset;
    asset.targets = {&other, &jaw, &smile};
    USkeletalMeshComponent mesh;
    mesh.asset = &asset;
    AActor actor;
    actor.mesh = &mesh;
    UAudioComponent source;
    ILiveLinkClient& live_link = IModularFeatures::Get().client;

    UEmoFaceComponent component;
    component.owner = &actor;
    int frames = 0;
    FString problem;
    component.OnFrame.bound.push_back([&] { ++frames; });
    component.OnProblem.bound.push_back([&](const FString& text) { problem = text; });
    component.PackagePath = "/nicht/größe.emoface";
    EXPECT(!component.Listen(&source) && problem.text_.find("größe") != std::string::npos);
    EXPECT(!component.Listen(nullptr));
    component.PackagePath = arguments[3];
    component.Emotion = "nobody";
    EXPECT(!component.Listen(&source) && problem.text_.find("nobody") != std::string::npos);
    component.Emotion = "happy";
    component.LiveLinkSubject = "Talker";
    component.bComputeVertices = true;
    EXPECT(component.Listen(&source) && source.silenced && source.listener);
    EXPECT(live_link.subject == FName("Talker") && live_link.names.Num() == 3 && live_link.names[0] == FName("JawOpen"));
    float delay, lag;
    component.GetDelays(delay, lag);
    EXPECT(delay > 0.05f && lag == 0);

    auto* sound = dynamic_cast<UEmoFaceDelayedSound*>(stub::objects.back().get());
    EXPECT(sound != nullptr && sound->playing && sound->registered && sound->NumChannels == 1);
    TArray<FVector> neutral, moved;
    TArray<int32> triangles;
    TArray<FLinearColor> colours;
    EXPECT(component.GetFace(neutral, triangles, colours) && neutral.Num() == colours.Num() && triangles.Num() > 0);
    // Unreal's front faces are those whose cross product points inwards: its axes are left-handed.
    for (int corner = 0; corner < triangles.Num(); corner += 3) {
        const FVector a = neutral[size_t(triangles[size_t(corner)])], b = neutral[size_t(triangles[size_t(corner + 1)])],
                      c = neutral[size_t(triangles[size_t(corner + 2)])];
        const double u[3] = {b.X - a.X, b.Y - a.Y, b.Z - a.Z}, v[3] = {c.X - a.X, c.Y - a.Y, c.Z - a.Z};
        EXPECT((u[1] * v[2] - u[2] * v[1]) * a.X + (u[2] * v[0] - u[0] * v[2]) * a.Y + (u[0] * v[1] - u[1] * v[0]) * a.Z < 0);
    }

    int64_t place = 0;
    std::vector<float> in, out(480), heard;
    float widest = 0, open = 0;
    for (int buffer = 0; buffer < 120; ++buffer) {
        const auto part = render(*source.listener, &place, 480);
        in.insert(in.end(), part.begin(), part.end());
        sound->Render(out.data(), 480);
        heard.insert(heard.end(), out.begin(), out.end());
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        FPlatformTime::Now += 0.01;
        component.TickComponent(0.01f, LEVELTICK_All, nullptr);
        component.GetVertices(moved);
        for (int i = 0; i < moved.Num(); ++i) widest = std::max(widest, float(std::fabs(moved[size_t(i)].Z - neutral[size_t(i)].Z)));
        open = std::max(open, component.GetCurve("JawOpen"));
        EXPECT(component.GetCurve("JawOpen") == live_link.values[0] && mesh.set[FName("Head.JawOpen")] == live_link.values[0]);
        EXPECT(mesh.set[FName("mouthSmile_L")] == live_link.values[1]);
    }
    const size_t samples = size_t(std::lround(delay * 48000));
    for (size_t i = 0; i < heard.size(); ++i) EXPECT(heard[i] == (i < samples ? 0.0f : in[i - samples]));
    EXPECT(frames == 120 && live_link.frames == 120 && mesh.set.count(FName("wings")) == 0 && mesh.set.size() == 2);
    EXPECT(widest > 0.05f && open > 0.01f && open <= 1);
    EXPECT(component.GetCurve("Wings") == 0);
    EXPECT(component.SetEmotion("sad") && component.Emotion == FString("sad"));
    EXPECT(!component.SetEmotion("nobody") && component.Emotion == FString("sad"));
    TArray<float> speech;
    for (int i = 0; i < 16000 * 3; ++i) speech.Add(float(0.3 * std::sin(0.07 * i) * std::sin(0.0007 * i)));
    EXPECT(component.Calibrate(speech, 16000));
    component.ClearCalibration();
    EXPECT(component.Calibrate(speech, 16000) && !component.Calibrate(speech, 100));
    EXPECT(problem.text_.find("sample_rate = 100") != std::string::npos);

    // A sound of another rate: a new voice is made for it.
    auto before = source.listener;
    render(*source.listener, &place, 441, 44100);
    component.TickComponent(0.01f, LEVELTICK_All, nullptr);
    EXPECT(source.listener && source.listener != before);
    render(*source.listener, &place, 441, 44100);
    frames = 0;
    component.TickComponent(0.01f, LEVELTICK_All, nullptr);
    EXPECT(frames == 1);

    component.EndPlay(EEndPlayReason::Destroyed);
    EXPECT(source.listener == nullptr && live_link.sources.empty() && sound->destroyed);
    render(*before, &place, 480);  // the mixer holds a listener a little longer
    component.TickComponent(0.01f, LEVELTICK_All, nullptr);
    EXPECT(frames == 1);

    component.Sync = EEmoFaceSync::AcceptLag;
    EXPECT(component.Listen(&source) && !source.silenced);
    component.GetDelays(delay, lag);
    EXPECT(delay == 0 && lag > 0.05f);
    component.StopVoice();
    component.LiveLinkSubject = FName();
    EXPECT(component.StartVoice(16000));
    TArray<float> pushed;
    pushed.SetNumZeroed(1600);
    component.PushAudio(pushed, 2);
    component.TickComponent(0.01f, LEVELTICK_All, nullptr);
    EXPECT(frames == 2);
    IModularFeatures::Get().available = false;
    component.LiveLinkSubject = "Talker";
    EXPECT(!component.StartVoice(16000) && problem.text_.find("Live Link") != std::string::npos);
    component.EndPlay(EEndPlayReason::Destroyed);
    IModularFeatures::Get().available = true;

    // examples/unreal: the package's own face on a procedural mesh
    ATalkingFaceActor talker;
    talker.EmoFace->PackagePath = arguments[3];
    talker.BeginPlay();
    EXPECT(talker.Voice->playing && talker.Face->shown.Num() == talker.Face->coloured && talker.Face->corners > 0);
    render(*talker.Voice->listener, &place, 4096);
    talker.EmoFace->TickComponent(0.01f, LEVELTICK_All, nullptr);
    EXPECT(talker.Face->updates == 1 && talker.Face->shown.Num() == neutral.Num());
    talker.EmoFace->EndPlay(EEndPlayReason::Destroyed);
    module.ShutdownModule();
    std::puts("passed");
    return 0;
}
