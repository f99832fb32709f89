#include "EmoFaceComponent.h"

#include "Animation/MorphTarget.h"
#include "Components/AudioComponent.h"
#include "Components/SkeletalMeshComponent.h"
#include "EmoFaceCoordinates.h"
#include "EmoFaceCurves.h"
#include "EmoFaceDelayedSound.h"
#include "EmoFaceListener.h"
#include "EmoFaceLiveLinkSource.h"
#include "EmoFaceModule.h"
#include "EmoFaceTiming.h"
#include "EmoFaceVoice.h"
#include "Engine/SkeletalMesh.h"
#include "Features/IModularFeatures.h"
#include "GameFramework/Actor.h"
#include "ILiveLinkClient.h"

DEFINE_LOG_CATEGORY_STATIC(LogEmoFaceComponent, Log, All);

namespace
{
std::string ToUtf8(const FString& Text)
{
	return TCHAR_TO_UTF8(*Text);
}

FString FromUtf8(const std::string& Text)
{
	return FString(UTF8_TO_TCHAR(Text.c_str()));
}

ILiveLinkClient* FindLiveLink()
{
	IModularFeatures& Features = IModularFeatures::Get();
	if (!Features.IsModularFeatureAvailable(ILiveLinkClient::ModularFeatureName))
	{
		return nullptr;
	}
	return &Features.GetModularFeature<ILiveLinkClient>(ILiveLinkClient::ModularFeatureName);
}
}

UEmoFaceComponent::UEmoFaceComponent()
{
	PrimaryComponentTick.bCanEverTick = true;
	// After animation has written its own morph targets
	PrimaryComponentTick.TickGroup = TG_PostPhysics;
}

bool UEmoFaceComponent::Listen(UAudioComponent* InSource)
{
	if (InSource == nullptr)
	{
		return Fail(TEXT("got no audio component; expected the one that plays the voice."));
	}
	// The mixer renders every source at the device's rate; another one is seen in the first buffer.
	if (!Begin(48000, true))
	{
		return false;
	}
	Source = InSource;
	Source->SetSourceBufferListener(Listener, DelayedSound != nullptr);
	return true;
}

bool UEmoFaceComponent::StartVoice(int32 SampleRate)
{
	return Begin(SampleRate, false);
}

void UEmoFaceComponent::PushAudio(const TArray<float>& Samples, int32 NumChannels)
{
	if (Listener && Source == nullptr && NumChannels > 0)
	{
		Listener->Take(Samples.GetData(), Samples.Num() / NumChannels, NumChannels);
	}
}

void UEmoFaceComponent::StopVoice()
{
	if (Source)
	{
		Source->SetSourceBufferListener(nullptr, false);
		Source = nullptr;
	}
	if (Listener)
	{
		// The mixer may hold the listener a little longer: it pushes no more.
		Listener->Close();
		Listener = nullptr;
	}
	if (DelayedSound)
	{
		DelayedSound->Stop();
		DelayedSound->DestroyComponent();
		DelayedSound = nullptr;
	}
	if (LiveLink)
	{
		if (ILiveLinkClient* Client = FindLiveLink())
		{
			Client->RemoveSource(LiveLink);
		}
		LiveLink = nullptr;
	}
	Voice = nullptr;
}

void UEmoFaceComponent::EndPlay(const EEndPlayReason::Type Reason)
{
	StopVoice();
	Package = nullptr;
	// Another package's would mean something else
	SpeakerMean.clear();
	Super::EndPlay(Reason);
}

bool UEmoFaceComponent::OpenPackage()
{
	if (Package)
	{
		return true;
	}
	FString Problem;
	Package = FEmoFaceModule::Get().OpenPackage(PackagePath, Problem);
	if (!Package)
	{
		return Fail(Problem);
	}
	CurveNames.Reset();
	for (const std::string& Name : Package->names(EMOFACE_NAMES_BLENDSHAPES))
	{
		CurveNames.Add(FName(*FromUtf8(emoface::live_link_name(Name))));
	}
	Weights.SetNumZeroed(CurveNames.Num());
	return true;
}

bool UEmoFaceComponent::Begin(int32 SampleRate, bool bDelayable)
{
	StopVoice();
	if (!OpenPackage())
	{
		return false;
	}
	emoface::VoiceOptions Options;
	Options.sample_rate = SampleRate;
	Options.blendshapes = CurveNames.Num() > 0;
	Options.vertices = bComputeVertices;
	Options.style = ToUtf8(Style);
	Options.emotion = ToUtf8(Emotion);
	Options.level = ToUtf8(Level);
	Options.person = ToUtf8(Person);
	Options.upper_strength = UpperStrength;
	Options.lower_strength = LowerStrength;
	Options.upper_smoothing = UpperSmoothing;
	Options.lower_smoothing = LowerSmoothing;
	Options.blinks = bBlinks;
	Options.blink_seed = static_cast<uint32_t>(BlinkSeed);
	Options.gaze = bGaze;
	Options.speaker_mean = SpeakerMean;
	std::string Problem;
	std::unique_ptr<emoface::Voice> Started = emoface::Voice::start(*FEmoFaceModule::Get().GetApi(), Package, Options, &Problem);
	if (Started == nullptr)
	{
		return Fail(FromUtf8(Problem));
	}
	Voice = MakeShareable(Started.release());
	const bool bDelay = bDelayable && Sync == EEmoFaceSync::DelaySound;
	const emoface::Sync Times = emoface::make_sync(Voice->latency_seconds(), 0.001 * OutputLatencyMs, bDelay);
	SoundDelaySeconds = Times.sound_delay;
	FaceDelaySeconds = Times.face_delay;
	FaceLagSeconds = Times.face_lag;
	TSharedPtr<emoface::DelayRing> Ring;
	if (bDelay && SoundDelaySeconds > 0.0)
	{
		Ring = MakeShared<emoface::DelayRing>(FMath::RoundToInt(SoundDelaySeconds * SampleRate), SampleRate);
		DelayedSound = NewObject<UEmoFaceDelayedSound>(GetOwner());
		DelayedSound->SetRing(Ring);
		DelayedSound->RegisterComponent();
		DelayedSound->Start();
	}
	Listener = MakeShared<FEmoFaceListener, ESPMode::ThreadSafe>(Voice, Ring);
	FindMorphTargets();
	if (!LiveLinkSubject.IsNone())
	{
		ILiveLinkClient* Client = FindLiveLink();
		if (Client == nullptr)
		{
			return Fail(TEXT("got no Live Link; expected the plugin Live Link to be enabled. Edit > Plugins > Live Link."));
		}
		LiveLink = MakeShared<FEmoFaceLiveLinkSource>(LiveLinkSubject, CurveNames);
		Client->AddSource(LiveLink);
	}
	return true;
}

void UEmoFaceComponent::FindMorphTargets()
{
	MorphNames.Reset();
	Mesh = GetOwner() ? GetOwner()->FindComponentByClass<USkeletalMeshComponent>() : nullptr;
	USkeletalMesh* Asset = Mesh ? Mesh->GetSkeletalMeshAsset() : nullptr;
	if (!bDriveMorphTargets || Asset == nullptr)
	{
		return;
	}
	std::vector<std::string> Targets;
	for (const UMorphTarget* Target : Asset->GetMorphTargets())
	{
		Targets.push_back(ToUtf8(Target->GetName()));
	}
	const std::vector<int> Map = emoface::map_curves(Package->names(EMOFACE_NAMES_BLENDSHAPES), Targets);
	for (const int Index : Map)
	{
		MorphNames.Add(Index < 0 ? FName() : FName(*FromUtf8(Targets[Index])));
	}
}

void UEmoFaceComponent::TickComponent(float DeltaTime, ELevelTick TickType, FActorComponentTickFunction* ThisTickFunction)
{
	Super::TickComponent(DeltaTime, TickType, ThisTickFunction);
	if (!Voice || !Listener)
	{
		return;
	}
	if (const int32 Rate = Listener->TakeWrongRate())
	{
		UAudioComponent* Playing = Source;
		if (Begin(Rate, Playing != nullptr) && Playing)
		{
			Source = Playing;
			Source->SetSourceBufferListener(Listener, DelayedSound != nullptr);
		}
		return;
	}
	const emoface::StreamClock& Clock = Listener->GetClock();
	if (!Clock.started())
	{
		return;
	}
	std::string Problem;
	const double Time = FPlatformTime::Seconds() - Clock.start() - FaceDelaySeconds - 0.001 * SyncOffsetMs;
	if (!Voice->sample(Time, &Problem))
	{
		Fail(FromUtf8(Problem));
		StopVoice();
		return;
	}
	Show();
}

void UEmoFaceComponent::Show()
{
	for (int32 Index = 0; Index < Weights.Num(); ++Index)
	{
		Weights[Index] = FMath::Clamp(Strength * Voice->weights()[Index], 0.0f, 1.0f);
	}
	for (int32 Index = 0; Index < MorphNames.Num(); ++Index)
	{
		// The mesh may have been destroyed since
		if (Mesh && !MorphNames[Index].IsNone())
		{
			Mesh->SetMorphTarget(MorphNames[Index], Weights[Index]);
		}
	}
	if (LiveLink)
	{
		LiveLink->Push(Weights);
	}
	OnFrame.Broadcast();
}

float UEmoFaceComponent::GetCurve(FName Name) const
{
	const int32 Index = CurveNames.Find(Name);
	return Index == INDEX_NONE ? 0.0f : Weights[Index];
}

void UEmoFaceComponent::GetVertices(TArray<FVector>& OutVertices) const
{
	emoface::Coordinates Axes;
	if (!Package || !emoface::read_axes(Package->text(EMOFACE_TEXT_AXES), Package->info().unit_in_metres, &Axes))
	{
		OutVertices.Reset();
		return;
	}
	const bool bMoved = Voice && Voice->vertices().size() > 0;
	const float* Neutral = Package->neutral();
	const float* Shown = bMoved ? Voice->vertices().data() : Neutral;
	OutVertices.SetNumUninitialized(Package->info().vertices);
	for (int32 Index = 0; Index < OutVertices.Num(); ++Index)
	{
		float Point[3];
		for (int32 Axis = 0; Axis < 3; ++Axis)
		{
			const float Rest = Neutral[3 * Index + Axis];
			Point[Axis] = Rest + Strength * (Shown[3 * Index + Axis] - Rest);
		}
		double Made[3];
		Axes.convert(Point, Made);
		OutVertices[Index] = FVector(Made[0], Made[1], Made[2]);
	}
}

bool UEmoFaceComponent::GetFace(TArray<FVector>& OutVertices, TArray<int32>& OutTriangles, TArray<FLinearColor>& OutColours)
{
	if (!OpenPackage())
	{
		return false;
	}
	GetVertices(OutVertices);
	const emoface_package_info& Info = Package->info();
	OutTriangles.SetNumUninitialized(3 * Info.triangles);
	for (int32 Corner = 0; Corner < OutTriangles.Num(); ++Corner)
	{
		OutTriangles[Corner] = Package->faces()[Corner];
	}
	OutColours.SetNumUninitialized(Info.vertices);
	for (int32 Index = 0; Index < OutColours.Num(); ++Index)
	{
		const float* Colour = Package->colours() + 3 * Index;
		OutColours[Index] = FLinearColor(Colour[0], Colour[1], Colour[2]);
	}
	return true;
}

void UEmoFaceComponent::GetDelays(float& SoundDelay, float& FaceLag) const
{
	SoundDelay = float(SoundDelaySeconds);
	FaceLag = float(FaceLagSeconds);
}

bool UEmoFaceComponent::SetStyle(const FString& Name)
{
	return Change(&emoface::Voice::set_style, Style, Name);
}

bool UEmoFaceComponent::SetEmotion(const FString& Name)
{
	return Change(&emoface::Voice::set_emotion, Emotion, Name);
}

bool UEmoFaceComponent::SetLevel(const FString& Name)
{
	return Change(&emoface::Voice::set_level, Level, Name);
}

bool UEmoFaceComponent::SetPerson(const FString& Name)
{
	return Change(&emoface::Voice::set_person, Person, Name);
}

bool UEmoFaceComponent::Calibrate(const TArray<float>& NeutralSpeech, int32 SampleRate)
{
	if (!Voice)
	{
		return Fail(TEXT("got Calibrate without a voice; expected Listen or StartVoice before it."));
	}
	std::string Problem;
	std::vector<float> Found;
	if (!Voice->calibrate(NeutralSpeech.GetData(), NeutralSpeech.Num(), SampleRate, &Found, &Problem))
	{
		return Fail(FromUtf8(Problem));
	}
	SpeakerMean = std::move(Found);
	return true;
}

void UEmoFaceComponent::ClearCalibration()
{
	SpeakerMean.clear();
	std::string Problem;
	if (Voice && !Voice->set_speaker_mean(SpeakerMean, &Problem))
	{
		Fail(FromUtf8(Problem));
	}
}

bool UEmoFaceComponent::Change(bool (emoface::Voice::*Setter)(const std::string&, std::string*), FString& Kept, const FString& Name)
{
	std::string Problem;
	if (Voice && !(*Voice.*Setter)(ToUtf8(Name), &Problem))
	{
		return Fail(FromUtf8(Problem));
	}
	Kept = Name;
	return true;
}

bool UEmoFaceComponent::Fail(const FString& Problem)
{
	UE_LOG(LogEmoFaceComponent, Error, TEXT("%s"), *Problem);
	OnProblem.Broadcast(Problem);
	return false;
}
