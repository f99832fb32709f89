#include "TalkingFaceActor.h"

#include "Components/AudioComponent.h"
#include "EmoFaceComponent.h"
#include "ProceduralMeshComponent.h"

ATalkingFaceActor::ATalkingFaceActor()
{
	Face = CreateDefaultSubobject<UProceduralMeshComponent>(TEXT("Face"));
	SetRootComponent(Face);
	Voice = CreateDefaultSubobject<UAudioComponent>(TEXT("Voice"));
	Voice->SetupAttachment(Face);
	Voice->bAutoActivate = false;
	EmoFace = CreateDefaultSubobject<UEmoFaceComponent>(TEXT("EmoFace"));
	EmoFace->bComputeVertices = true;
	EmoFace->bDriveMorphTargets = false;
}

void ATalkingFaceActor::BeginPlay()
{
	Super::BeginPlay();
	TArray<int32> Triangles;
	TArray<FLinearColor> Colours;
	if (!EmoFace->GetFace(Vertices, Triangles, Colours))
	{
		return; // the log says why
	}
	Face->CreateMeshSection_LinearColor(0, Vertices, Triangles, {}, {}, Colours, {}, false);
	Face->SetMaterial(0, Material);
	EmoFace->OnFrame.AddDynamic(this, &ATalkingFaceActor::ShowFrame);
	// First the listener, then the sound: its first buffer counts.
	EmoFace->Listen(Voice);
	Voice->SetSound(Speech);
	Voice->Play();
}

void ATalkingFaceActor::ShowFrame()
{
	EmoFace->GetVertices(Vertices);
	Face->UpdateMeshSection_LinearColor(0, Vertices, {}, {}, {}, {});
}
