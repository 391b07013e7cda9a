// Anonymizestudy de-identifies a study into another store, and waits:
//
//	go run ./examples/anonymizestudy -attribute trial=mammo -attribute site=a STUDY-UID deid
//
// It prints the new study and the position to ask the index with.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"

	anonv1 "diana-mesh/go/diana/anon/v1"
	operationv1 "diana-mesh/go/diana/operation/v1"
	"diana-mesh/go/examples/internal/cli"
	"diana-mesh/go/mesh"
	"google.golang.org/grpc"
)

func main() {
	// With a request id the call may be repeated, by gRPC or by you.
	request := &anonv1.AnonymizeStudyRequest{RequestId: rand.Text(), Attributes: cli.Pairs{}}
	flag.StringVar(&request.SourceStore, "source-store", "", "the store the study is in")
	flag.StringVar(&request.Profile, "profile", "", "how, as ListProfiles names it")
	flag.Var(cli.Pairs(request.Attributes), "attribute", "a plain attribute of the new study, `KEY=VALUE`")
	cli.Run("127.0.0.1:50064", "STUDY-UID TARGET-STORE", 2, func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		request.StudyUid, request.TargetStore = args[0], args[1]
		started, err := anonv1.NewAnonServiceClient(conn).AnonymizeStudy(ctx, request)
		if err != nil {
			return err
		}
		operations := operationv1.NewOperationServiceClient(conn)
		ended, err := mesh.Wait(ctx, operations, started.Operation.Name, showProgress)
		if err != nil {
			return err
		}
		return show(ctx, operations, ended)
	})
}

func showProgress(operation *operationv1.Operation) {
	progress := operation.Progress
	fmt.Fprintf(os.Stderr, "%d of %d %s\n", progress.GetDone(), progress.GetTotal(), progress.GetUnit())
}

// show prints the result; instances that were refused are an error.
func show(ctx context.Context, operations operationv1.OperationServiceClient, operation *operationv1.Operation) error {
	result := &anonv1.AnonymizeStudyResult{}
	if err := operation.Result.UnmarshalTo(result); err != nil {
		return err
	}
	fmt.Printf("%s\t%s\t%d\n", result.TargetStore, result.StudyUid, result.InstanceCount)
	fmt.Printf("position\t%s\n", result.Position)
	if result.FailedCount == 0 {
		return nil
	}
	page, err := operations.ListOperationFailures(ctx, &operationv1.ListOperationFailuresRequest{Name: operation.Name})
	if err != nil {
		return err
	}
	for _, failure := range page.Failures {
		fmt.Fprintf(os.Stderr, "refused\t%s\t%v\n", failure.Item, mesh.ErrorOf(failure.Status))
	}
	return fmt.Errorf("refused %d instances", result.FailedCount)
}
