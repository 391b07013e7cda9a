package mesh

import (
	"context"
	"fmt"
	"time"

	operationv1 "diana-mesh/go/diana/operation/v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Wait waits until an operation has ended, and returns it. It shows the
// operation to onProgress, unless that is nil, about twice a second.
// Operations are served by the service that started them. An operation that
// failed or was cancelled is an error.
func Wait(
	ctx context.Context, operations operationv1.OperationServiceClient,
	name string, onProgress func(*operationv1.Operation),
) (*operationv1.Operation, error) {
	timeout := 10 * time.Second
	if onProgress != nil {
		timeout = 500 * time.Millisecond
	}
	request := &operationv1.WaitOperationRequest{Name: name, Timeout: durationpb.New(timeout)}
	for {
		answer, err := operations.WaitOperation(ctx, request)
		if err != nil {
			return nil, err
		}
		operation := answer.Operation
		if onProgress != nil {
			onProgress(operation)
		}
		switch operation.State {
		case operationv1.Operation_STATE_SUCCEEDED:
			return operation, nil
		case operationv1.Operation_STATE_FAILED:
			return operation, translate(status.ErrorProto(operation.Error))
		case operationv1.Operation_STATE_CANCELLED:
			return operation, fmt.Errorf("%s was cancelled", name)
		}
	}
}
