#pragma once

#include "Components/SynthComponent.h"
#include "CoreMinimal.h"
#include "EmoFaceDelayedSound.generated.h"

namespace emoface
{
class DelayRing;
}

/** Plays a voice later, by as much as its face needs. Made by UEmoFaceComponent; one channel. */
UCLASS(ClassGroup = (EmoFace))
class EMOFACERUNTIME_API UEmoFaceDelayedSound : public USynthComponent
{
	GENERATED_BODY()

public:
	UEmoFaceDelayedSound(const FObjectInitializer& Initializer);

	/** Before Start(). */
	void SetRing(TSharedPtr<emoface::DelayRing> InRing);

protected:
	//~ USynthComponent
	virtual bool Init(int32& SampleRate) override;
	virtual int32 OnGenerateAudio(float* OutAudio, int32 NumSamples) override;

private:
	TSharedPtr<emoface::DelayRing> Ring;
};
