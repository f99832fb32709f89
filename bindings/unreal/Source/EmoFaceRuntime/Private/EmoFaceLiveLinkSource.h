#pragma once

#include "CoreMinimal.h"
#include "ILiveLinkClient.h"
#include "ILiveLinkSource.h"

/** A Live Link source of one subject: the package's blendshapes as curves with ARKit's names ("JawOpen"). */
class FEmoFaceLiveLinkSource : public ILiveLinkSource
{
public:
	FEmoFaceLiveLinkSource(FName InSubject, TArray<FName> InCurves);

	/** The weights of a picture, in the order of the curves. Game thread. */
	void Push(const TArray<float>& Weights);

	//~ ILiveLinkSource
	virtual void ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid) override;
	virtual bool IsSourceStillValid() const override;
	virtual bool RequestSourceShutdown() override;
	virtual FText GetSourceType() const override;
	virtual FText GetSourceMachineName() const override;
	virtual FText GetSourceStatus() const override;

private:
	ILiveLinkClient* Client = nullptr;
	FGuid SourceGuid;
	FName Subject;
	TArray<FName> Curves;
};
