#include "EmoFaceLiveLinkSource.h"

#include "HAL/PlatformTime.h"
#include "LiveLinkTypes.h"
#include "Roles/LiveLinkBasicRole.h"

#define LOCTEXT_NAMESPACE "EmoFace"

FEmoFaceLiveLinkSource::FEmoFaceLiveLinkSource(FName InSubject, TArray<FName> InCurves)
	: Subject(InSubject), Curves(MoveTemp(InCurves))
{
}

void FEmoFaceLiveLinkSource::ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid)
{
	Client = InClient;
	SourceGuid = InSourceGuid;
	FLiveLinkStaticDataStruct Static(FLiveLinkBaseStaticData::StaticStruct());
	Static.Cast<FLiveLinkBaseStaticData>()->PropertyNames = Curves;
	Client->PushSubjectStaticData_AnyThread({SourceGuid, Subject}, ULiveLinkBasicRole::StaticClass(), MoveTemp(Static));
}

void FEmoFaceLiveLinkSource::Push(const TArray<float>& Weights)
{
	if (Client == nullptr)
	{
		return;
	}
	FLiveLinkFrameDataStruct Frame(FLiveLinkBaseFrameData::StaticStruct());
	FLiveLinkBaseFrameData& Data = *Frame.Cast<FLiveLinkBaseFrameData>();
	Data.WorldTime = FPlatformTime::Seconds();
	Data.PropertyValues = Weights;
	Client->PushSubjectFrameData_AnyThread({SourceGuid, Subject}, MoveTemp(Frame));
}

bool FEmoFaceLiveLinkSource::IsSourceStillValid() const
{
	return Client != nullptr;
}

bool FEmoFaceLiveLinkSource::RequestSourceShutdown()
{
	Client = nullptr;
	return true;
}

FText FEmoFaceLiveLinkSource::GetSourceType() const
{
	return LOCTEXT("SourceType", "EmoFace");
}

FText FEmoFaceLiveLinkSource::GetSourceMachineName() const
{
	return LOCTEXT("SourceMachine", "This machine");
}

FText FEmoFaceLiveLinkSource::GetSourceStatus() const
{
	return Client != nullptr ? LOCTEXT("Active", "Active") : LOCTEXT("Ended", "Ended");
}

#undef LOCTEXT_NAMESPACE
