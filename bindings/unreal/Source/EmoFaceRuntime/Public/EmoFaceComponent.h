#pragma once

#include "Components/ActorComponent.h"
#include "CoreMinimal.h"

#include <memory>
#include <string>
#include <vector>

#include "EmoFaceComponent.generated.h"

class FEmoFaceLiveLinkSource;
class FEmoFaceListener;
class UAudioComponent;
class UEmoFaceDelayedSound;
class USkeletalMeshComponent;

namespace emoface
{
class DelayRing;
class Voice;
class VoicePackage;
}

/** What to do about the model's latency. */
UENUM(BlueprintType)
enum class EEmoFaceSync : uint8
{
	/** Play the sound later by as much: face and sound are together. */
	DelaySound,
	/** Play the sound at once: the face comes later by the latency. */
	AcceptLag,
};

DECLARE_DYNAMIC_MULTICAST_DELEGATE(FEmoFaceFrame);
DECLARE_DYNAMIC_MULTICAST_DELEGATE_OneParam(FEmoFaceProblem, const FString&, Problem);

/** Makes a character speak: takes a voice, shows the face in time with what is heard, as morph targets, as Live Link
 * curves or as vertices. */
UCLASS(ClassGroup = (EmoFace), meta = (BlueprintSpawnableComponent))
class EMOFACERUNTIME_API UEmoFaceComponent : public UActorComponent
{
	GENERATED_BODY()

public:
	UEmoFaceComponent();

	/** An .emoface file: absolute, or relative to Content; empty for the one that the plugin carries. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "EmoFace")
	FString PackagePath;

	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "EmoFace")
	EEmoFaceSync Sync = EEmoFaceSync::DelaySound;

	/** A name of the package; empty for the mean of its styles. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "EmoFace")
	FString Style;

	/** A name of the package, or auto to follow the voice. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "EmoFace")
	FString Emotion = TEXT("auto");

	/** normal or strong. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "EmoFace")
	FString Level = TEXT("normal");

	/** A name of a package with persons; empty for its default. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "EmoFace")
	FString Person;

	/** Size of the motion: 1 as the model gives it. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "EmoFace", meta = (ClampMin = "0", ClampMax = "2"))
	float Strength = 1.0f;

	/** Factor on the motion of brows, forehead and eyes; taken when a voice begins. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "EmoFace", meta = (ClampMin = "0", ClampMax = "3"))
	float UpperStrength = 1.0f;

	/** Factor on the motion of the rest of the face; taken when a voice begins. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "EmoFace", meta = (ClampMin = "0", ClampMax = "3"))
	float LowerStrength = 1.0f;

	/** Calms brows, forehead and eyes: time constant in seconds; taken when a voice begins. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "EmoFace", meta = (ClampMin = "0", ClampMax = "1"))
	float UpperSmoothing = 0.0f;

	/** Calms the rest of the face: time constant in seconds; taken when a voice begins. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "EmoFace", meta = (ClampMin = "0", ClampMax = "1"))
	float LowerSmoothing = 0.0f;

	/** The eyes blink now and then, where the package's face can; taken when a voice begins. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "EmoFace")
	bool bBlinks = true;

	/** When they blink: characters that are seen together need different numbers; taken when a voice begins. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "EmoFace", meta = (ClampMin = "0"))
	int32 BlinkSeed = 0;

	/** The eyes look at a listener and away, where the package's face can turn them, by the same number; taken when a voice begins. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "EmoFace")
	bool bGaze = true;

	/** Moves the face against the sound in milliseconds; positive is later. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "EmoFace")
	float SyncOffsetMs = 0.0f;

	/** Milliseconds from rendering a sound until it is heard: buffers of the engine and of the device. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "EmoFace", meta = (ClampMin = "0"))
	float OutputLatencyMs = 60.0f;

	/** Set the morph targets of the owner's skeletal mesh that have the names of the package's blendshapes. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "EmoFace")
	bool bDriveMorphTargets = true;

	/** Send the curves as a Live Link subject of this name, for example to a MetaHuman; None for none. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "EmoFace")
	FName LiveLinkSubject;

	/** Compute the vertices of the package's own face, for GetVertices. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "EmoFace")
	bool bComputeVertices = false;

	/** After every picture: GetCurve and GetVertices have news. */
	UPROPERTY(BlueprintAssignable, Category = "EmoFace")
	FEmoFaceFrame OnFrame;

	/** What went wrong, and what to do about it. */
	UPROPERTY(BlueprintAssignable, Category = "EmoFace")
	FEmoFaceProblem OnProblem;

	/** Follow what an audio component plays. Call it before Play(). */
	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	bool Listen(UAudioComponent* Source);

	/** Begin a voice whose samples the game pushes, for example of a speech engine or voice chat. */
	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	bool StartVoice(int32 SampleRate);

	/** Push samples of the voice that StartVoice began: interleaved, -1 to 1, at the pace at which they are heard. */
	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	void PushAudio(const TArray<float>& Samples, int32 NumChannels);

	/** End the voice. */
	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	void StopVoice();

	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	bool SetStyle(const FString& Name);

	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	bool SetEmotion(const FString& Name);

	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	bool SetLevel(const FString& Name);

	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	bool SetPerson(const FString& Name);

	/** Learn a voice that the model was not trained on, from about 10 s of its calm speech: one channel, -1 to 1. Needs a
	 * voice that has begun; holds for the coming ones, too, until EndPlay. The game waits for a few percent of the speech's
	 * length. */
	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	bool Calibrate(const TArray<float>& NeutralSpeech, int32 SampleRate);

	/** Forget what Calibrate learned. */
	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	void ClearCalibration();

	/** Names of the curves: ARKit's, as Live Link writes them ("JawOpen"). */
	UFUNCTION(BlueprintPure, Category = "EmoFace")
	TArray<FName> GetCurveNames() const { return CurveNames; }

	/** A curve of the picture shown, 0 to 1; 0 where there is none of this name. */
	UFUNCTION(BlueprintPure, Category = "EmoFace")
	float GetCurve(FName Name) const;

	/** Vertices of the package's face in the picture shown: centimetres, X front, Y right, Z up. */
	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	void GetVertices(TArray<FVector>& OutVertices) const;

	/** The face itself: three vertex indices per triangle, and a colour per vertex. */
	UFUNCTION(BlueprintCallable, Category = "EmoFace")
	bool GetFace(TArray<FVector>& OutVertices, TArray<int32>& OutTriangles, TArray<FLinearColor>& OutColours);

	/** Seconds by which the sound is played later, and the face after the sound. */
	UFUNCTION(BlueprintPure, Category = "EmoFace")
	void GetDelays(float& SoundDelay, float& FaceLag) const;

	//~ UActorComponent
	virtual void TickComponent(float DeltaTime, ELevelTick TickType, FActorComponentTickFunction* ThisTickFunction) override;
	virtual void EndPlay(const EEndPlayReason::Type Reason) override;

private:
	bool OpenPackage();
	bool Begin(int32 SampleRate, bool bDelayable);
	bool Change(bool (emoface::Voice::*Setter)(const std::string&, std::string*), FString& Kept, const FString& Name);
	void FindMorphTargets();
	void Show();
	bool Fail(const FString& Problem);

	std::shared_ptr<emoface::VoicePackage> Package;
	TSharedPtr<emoface::Voice> Voice;
	TSharedPtr<FEmoFaceListener, ESPMode::ThreadSafe> Listener;
	TSharedPtr<FEmoFaceLiveLinkSource> LiveLink;
	TArray<FName> CurveNames;
	TArray<float> Weights;
	// What Calibrate learned
	std::vector<float> SpeakerMean;
	TArray<FName> MorphNames;
	double SoundDelaySeconds = 0.0;
	double FaceDelaySeconds = 0.0;
	double FaceLagSeconds = 0.0;

	UPROPERTY(Transient)
	TObjectPtr<UAudioComponent> Source = nullptr;

	UPROPERTY(Transient)
	TObjectPtr<UEmoFaceDelayedSound> DelayedSound = nullptr;

	UPROPERTY(Transient)
	TObjectPtr<USkeletalMeshComponent> Mesh = nullptr;
};
