#pragma once

#include "CoreMinimal.h"
#include "GameFramework/Actor.h"
#include "TalkingFaceActor.generated.h"

class UAudioComponent;
class UEmoFaceComponent;
class UMaterialInterface;
class UProceduralMeshComponent;
class USoundBase;

/** Speaks a sound with the face that the EmoFace package carries. */
UCLASS()
class ATalkingFaceActor : public AActor
{
	GENERATED_BODY()

public:
	ATalkingFaceActor();

	UPROPERTY(EditAnywhere, Category = "Talking Face")
	TObjectPtr<USoundBase> Speech = nullptr;

	UPROPERTY(EditAnywhere, Category = "Talking Face")
	TObjectPtr<UMaterialInterface> Material = nullptr;

protected:
	virtual void BeginPlay() override;

private:
	UFUNCTION()
	void ShowFrame();

	UPROPERTY(VisibleAnywhere, Category = "Talking Face")
	TObjectPtr<UProceduralMeshComponent> Face;

	UPROPERTY(VisibleAnywhere, Category = "Talking Face")
	TObjectPtr<UAudioComponent> Voice;

	UPROPERTY(VisibleAnywhere, Category = "Talking Face")
	TObjectPtr<UEmoFaceComponent> EmoFace;

	// Kept from picture to picture, so that none of them allocates
	TArray<FVector> Vertices;
};
