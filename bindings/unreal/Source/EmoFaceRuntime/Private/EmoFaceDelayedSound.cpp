#include "EmoFaceDelayedSound.h"

#include "EmoFaceTiming.h"

UEmoFaceDelayedSound::UEmoFaceDelayedSound(const FObjectInitializer& Initializer) : Super(Initializer)
{
	NumChannels = 1;
}

void UEmoFaceDelayedSound::SetRing(TSharedPtr<emoface::DelayRing> InRing)
{
	Ring = MoveTemp(InRing);
}

bool UEmoFaceDelayedSound::Init(int32& SampleRate)
{
	NumChannels = 1;
	return true;
}

int32 UEmoFaceDelayedSound::OnGenerateAudio(float* OutAudio, int32 NumSamples)
{
	if (Ring)
	{
		Ring->read(OutAudio, NumSamples);
	}
	return NumSamples;
}
