package mesh

import (
	"context"
	"errors"
	"io"
	"os"

	anonv1 "diana-mesh/go/diana/anon/v1"
)

// AnonymizeFile de-identifies one DICOM file into another, which is there
// whole or not at all. An empty profile means "default". Nothing is kept by
// the service.
func AnonymizeFile(
	ctx context.Context, anon anonv1.AnonServiceClient, profile, from, to string,
) (*anonv1.AnonymizedInstance, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	call, err := anon.AnonymizeInstance(ctx)
	if err != nil {
		return nil, err
	}
	// Nothing is answered before the whole file has come: send it, then read.
	if err := sendFile(call, profile, from); err != nil {
		return nil, err
	}
	file, err := createFile(to)
	if err != nil {
		return nil, err
	}
	defer file.drop()
	instance, err := receiveFile(call, file)
	if err != nil {
		return nil, err
	}
	return instance, file.commit()
}

func sendFile(call anonv1.AnonService_AnonymizeInstanceClient, profile, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	request := &anonv1.AnonymizeInstanceRequest{Profile: profile}
	for {
		data := make([]byte, messageBytes)
		n, err := io.ReadFull(file, data)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		request.Data = data[:n]
		// A refusal ends the call while it is being sent: Recv has the reason.
		if sendErr := call.Send(request); sendErr != nil || err != nil {
			return call.CloseSend()
		}
		request = &anonv1.AnonymizeInstanceRequest{}
	}
}

func receiveFile(call anonv1.AnonService_AnonymizeInstanceClient, to io.Writer) (*anonv1.AnonymizedInstance, error) {
	var instance *anonv1.AnonymizedInstance
	size := int64(0)
	for {
		answer, err := call.Recv()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if answer.GetInstance() != nil {
			instance = answer.GetInstance()
		}
		if _, err := to.Write(answer.GetData()); err != nil {
			return nil, err
		}
		size += int64(len(answer.GetData()))
	}
	if instance == nil || size != instance.SizeBytes {
		return nil, errors.New("the answer is not the whole file")
	}
	return instance, nil
}
