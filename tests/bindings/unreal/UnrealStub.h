// A stand-in for Unreal's headers: as much as the plugin uses, behaving as the engine documents it, with what is done to
// it recorded. It shows that the plugin compiles as C++ and does what it says; it does not show that the engine agrees.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using int32 = int32_t;
using int64 = int64_t;
using uint8 = uint8_t;
using TCHAR = char;

#define TEXT(text) text
#define TCHAR_TO_UTF8(text) (text)
#define UTF8_TO_TCHAR(text) (text)
#define UCLASS(...)
#define UENUM(...)
#define UPROPERTY(...)
#define UFUNCTION(...)
#define GENERATED_BODY()
#define EMOFACERUNTIME_API
#define PLATFORM_WINDOWS 0
#define INDEX_NONE (-1)
#define DEFINE_LOG_CATEGORY_STATIC(name, ...)
#define UE_LOG(category, level, format, ...) (stub::logged.push_back(FString::Printf(format, __VA_ARGS__)))
#define LOCTEXT(key, text) FText{text}
#define check(condition) ((void)(condition))
#define IMPLEMENT_MODULE(type, name) \
    type& stub_module() { static type module; return module; } \
    template <> type& FModuleManager::LoadModuleChecked<type>(const char*) { return stub_module(); }
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE(name) using name = stub::Delegate<>
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_OneParam(name, type, parameter) using name = stub::Delegate<type>

class FString {
public:
    FString(const char* text = "") : text_(text) {}
    FString(std::string text) : text_(std::move(text)) {}
    const char* operator*() const { return text_.c_str(); }
    bool IsEmpty() const { return text_.empty(); }
    bool operator==(const FString& other) const { return text_ == other.text_; }
    bool operator<(const FString& other) const { return text_ < other.text_; }
    FString operator/(const FString& part) const { return text_ + "/" + part.text_; }
    template <typename... Rest>
    static FString Printf(const char* format, Rest... rest) {
        char buffer[4096];
        std::snprintf(buffer, sizeof(buffer), format, rest...);
        return FString(buffer);
    }
    std::string text_;
};

namespace stub {
inline std::vector<FString> logged;
template <typename... Parameters>
struct Delegate {
    std::vector<std::function<void(Parameters...)>> bound;
    template <typename T>
    void AddDynamic(T* object, void (T::*method)(Parameters...)) {
        bound.push_back([=](Parameters... parameters) { (object->*method)(parameters...); });
    }
    void Broadcast(Parameters... parameters) { for (auto& one : bound) one(parameters...); }
};
}  // namespace stub

class FName {
public:
    FName(const char* text = "") : text_(text) {}
    bool IsNone() const { return text_.empty(); }
    bool operator==(const FName& other) const { return text_ == other.text_; }
    bool operator<(const FName& other) const { return text_ < other.text_; }
    std::string text_;
};

struct FText { std::string text; };
struct FGuid { int id = 0; };
struct FVector { double X = 0, Y = 0, Z = 0; FVector(double x = 0, double y = 0, double z = 0) : X(x), Y(y), Z(z) {} };
struct FLinearColor { float R = 0, G = 0, B = 0; FLinearColor(float r = 0, float g = 0, float b = 0) : R(r), G(g), B(b) {} };

template <typename T>
class TArray : public std::vector<T> {
public:
    int32 Num() const { return int32(this->size()); }
    void Add(const T& value) { this->push_back(value); }
    void Reset() { this->clear(); }
    void SetNumZeroed(int32 count) { this->assign(size_t(count), T()); }
    void SetNumUninitialized(int32 count) { this->resize(size_t(count)); }
    T* GetData() { return this->data(); }
    const T* GetData() const { return this->data(); }
    int32 Find(const T& value) const {
        const auto at = std::find(this->begin(), this->end(), value);
        return at == this->end() ? INDEX_NONE : int32(at - this->begin());
    }
};

template <typename K, typename V>
class TMap : public std::map<K, V> {
public:
    V* Find(const K& key) { const auto at = this->find(key); return at == this->end() ? nullptr : &at->second; }
    void Add(const K& key, const V& value) { (*this)[key] = value; }
};

enum class ESPMode { NotThreadSafe, ThreadSafe };
template <typename T, ESPMode = ESPMode::ThreadSafe>
using TSharedPtr = std::shared_ptr<T>;
template <typename T>
using TObjectPtr = T*;
template <typename T, ESPMode = ESPMode::ThreadSafe, typename... Rest>
std::shared_ptr<T> MakeShared(Rest&&... rest) { return std::make_shared<T>(std::forward<Rest>(rest)...); }
template <typename T>
std::shared_ptr<T> MakeShareable(T* made) { return std::shared_ptr<T>(made); }
template <typename T>
std::remove_reference_t<T>&& MoveTemp(T&& value) { return std::move(value); }

struct FMath {
    static int32 Min(int32 a, int32 b) { return std::min(a, b); }
    static float Clamp(float value, float low, float high) { return std::min(high, std::max(low, value)); }
    static int32 RoundToInt(double value) { return int32(value + 0.5); }
};

struct FPlatformTime {
    static inline double Now = 1000.0;
    static double Seconds() { return Now; }
};

inline bool IsInGameThread() { return true; }
struct FPlatformProcess {
    static void* GetDllHandle(const char* path);
    static void* GetDllExport(void* library, const char* name);
};
struct FPaths {
    static FString ConvertRelativePathToFull(const FString& path) { return path; }
    static bool IsRelative(const FString& path) { return path.text_.empty() || path.text_[0] != '/'; }
    static FString ProjectContentDir() { return "/nowhere"; }
};
struct IPlugin { FString GetBaseDir() const; };
struct IPluginManager {
    static IPluginManager& Get() { static IPluginManager manager; return manager; }
    std::shared_ptr<IPlugin> FindPlugin(const char*) { return std::make_shared<IPlugin>(); }
};
struct IModuleInterface {
    virtual ~IModuleInterface() = default;
    virtual void StartupModule() {}
    virtual void ShutdownModule() {}
};
struct FModuleManager { template <typename T> static T& LoadModuleChecked(const char*); };

// ---- Live Link

struct ULiveLinkBasicRole { static int StaticClass() { return 1; } };
struct FLiveLinkBaseStaticData { static int StaticStruct() { return 1; } TArray<FName> PropertyNames; };
struct FLiveLinkBaseFrameData { static int StaticStruct() { return 1; } double WorldTime = 0; TArray<float> PropertyValues; };
struct FLiveLinkSubjectKey { FGuid source; FName subject; };
struct FLiveLinkStaticDataStruct {
    FLiveLinkStaticDataStruct(int) {}
    template <typename T> T* Cast() { return &data; }
    FLiveLinkBaseStaticData data;
};
struct FLiveLinkFrameDataStruct {
    FLiveLinkFrameDataStruct(int) {}
    template <typename T> T* Cast() { return &data; }
    FLiveLinkBaseFrameData data;
};
class ILiveLinkClient;
class ILiveLinkSource {
public:
    virtual ~ILiveLinkSource() = default;
    virtual void ReceiveClient(ILiveLinkClient*, FGuid) = 0;
    virtual bool IsSourceStillValid() const = 0;
    virtual bool RequestSourceShutdown() = 0;
    virtual FText GetSourceType() const = 0;
    virtual FText GetSourceMachineName() const = 0;
    virtual FText GetSourceStatus() const = 0;
};
class ILiveLinkClient {
public:
    static inline const char* ModularFeatureName = "LiveLink";
    void AddSource(std::shared_ptr<ILiveLinkSource> source) { sources.push_back(source); source->ReceiveClient(this, FGuid{7}); }
    void RemoveSource(std::shared_ptr<ILiveLinkSource> source) {
        source->RequestSourceShutdown();
        sources.erase(std::remove(sources.begin(), sources.end(), source), sources.end());
    }
    void PushSubjectStaticData_AnyThread(const FLiveLinkSubjectKey& key, int, FLiveLinkStaticDataStruct&& data) {
        subject = key.subject;
        names = data.data.PropertyNames;
    }
    void PushSubjectFrameData_AnyThread(const FLiveLinkSubjectKey&, FLiveLinkFrameDataStruct&& data) {
        ++frames;
        values = data.data.PropertyValues;
    }
    std::vector<std::shared_ptr<ILiveLinkSource>> sources;
    FName subject;
    TArray<FName> names;
    TArray<float> values;
    int frames = 0;
};
struct IModularFeatures {
    static IModularFeatures& Get() { static IModularFeatures features; return features; }
    bool IsModularFeatureAvailable(const char*) { return available; }
    template <typename T> T& GetModularFeature(const char*) { return client; }
    bool available = true;
    ILiveLinkClient client;
};

// ---- Objects

struct FObjectInitializer {};
struct UObject { virtual ~UObject() = default; };
struct AActor;
enum ETickingGroup { TG_PostPhysics };
enum ELevelTick { LEVELTICK_All };
struct FActorComponentTickFunction { bool bCanEverTick = false; ETickingGroup TickGroup = TG_PostPhysics; };
namespace EEndPlayReason { enum Type { Destroyed }; }

namespace stub { inline std::vector<std::unique_ptr<UObject>> objects; }
struct USceneComponent;
struct USoundBase : UObject {};
struct UMaterialInterface : UObject {};
struct UActorComponent : UObject {
    using Super = UActorComponent;
    virtual void TickComponent(float, ELevelTick, FActorComponentTickFunction*) {}
    virtual void EndPlay(const EEndPlayReason::Type) {}
    AActor* GetOwner() const { return owner; }
    void RegisterComponent() { registered = true; }
    void DestroyComponent() { destroyed = true; }
    FActorComponentTickFunction PrimaryComponentTick;
    AActor* owner = nullptr;
    bool registered = false, destroyed = false;
};

struct UMorphTarget : UObject {
    explicit UMorphTarget(const char* name) : name(name) {}
    FString GetName() const { return name; }
    FString name;
};
struct USkeletalMesh : UObject {
    std::vector<UMorphTarget*>& GetMorphTargets() { return targets; }
    std::vector<UMorphTarget*> targets;
};
struct USkeletalMeshComponent : UActorComponent {
    USkeletalMesh* GetSkeletalMeshAsset() const { return asset; }
    void SetMorphTarget(FName name, float weight) { set[name] = weight; }
    USkeletalMesh* asset = nullptr;
    std::map<FName, float> set;
};
struct AActor : UObject {
    using Super = AActor;
    virtual void BeginPlay() {}
    void SetRootComponent(UActorComponent* component) { root = component; }
    template <typename T> T* CreateDefaultSubobject(const char*) {
        T* made = new T();
        stub::objects.emplace_back(made);
        made->owner = this;
        return made;
    }
    template <typename T> T* FindComponentByClass() const { return mesh; }
    UActorComponent* root = nullptr;
    USkeletalMeshComponent* mesh = nullptr;
};

// ---- Sound

class ISourceBufferListener {
public:
    struct FOnNewBufferParams {
        const float* AudioData = nullptr;
        int32 SourceId = INDEX_NONE, NumSamples = 0, NumChannels = 0, SampleRate = 0;
    };
    virtual ~ISourceBufferListener() = default;
    virtual void OnNewBuffer(const FOnNewBufferParams&) = 0;
    virtual void OnSourceReleased(const int32) = 0;
};
struct UAudioComponent : UActorComponent {
    void SetSourceBufferListener(const std::shared_ptr<ISourceBufferListener>& given, bool zero) { listener = given; silenced = zero; }
    void SetupAttachment(UActorComponent*) {}
    void SetSound(USoundBase* given) { sound = given; }
    void Play() { playing = listener != nullptr; }
    bool bAutoActivate = true, playing = false;
    USoundBase* sound = nullptr;
    std::shared_ptr<ISourceBufferListener> listener;
    bool silenced = false;
};
struct USynthComponent : UActorComponent {
    using Super = USynthComponent;
    USynthComponent(const FObjectInitializer&) {}
    void Start() { int32 rate = 48000; playing = Init(rate); }
    void Stop() { playing = false; }
    void Render(float* out, int32 count) { OnGenerateAudio(out, count); }
    int32 NumChannels = 2;
    bool playing = false;

protected:
    virtual bool Init(int32&) { return true; }
    virtual int32 OnGenerateAudio(float*, int32) = 0;
};
template <typename T>
T* NewObject(AActor* owner) {
    T* made = new T(FObjectInitializer{});
    stub::objects.emplace_back(made);
    made->owner = owner;
    return made;
}

struct FVector2D {};
struct FProcMeshTangent {};
struct UProceduralMeshComponent : UActorComponent {
    void CreateMeshSection_LinearColor(int32, const TArray<FVector>& vertices, const TArray<int32>& triangles,
                                       const TArray<FVector>&, const TArray<FVector2D>&,
                                       const TArray<FLinearColor>& colours, const TArray<FProcMeshTangent>&, bool) {
        shown = vertices;
        corners = triangles.Num();
        coloured = colours.Num();
    }
    void UpdateMeshSection_LinearColor(int32, const TArray<FVector>& vertices, const TArray<FVector>&,
                                       const TArray<FVector2D>&, const TArray<FLinearColor>&,
                                       const TArray<FProcMeshTangent>&) {
        shown = vertices;
        ++updates;
    }
    void SetMaterial(int32, UMaterialInterface*) {}
    TArray<FVector> shown;
    int corners = 0, coloured = 0, updates = 0;
};
