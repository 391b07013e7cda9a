package mesh

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"

	archivev1 "diana-mesh/go/diana/archive/v1"
)

// The size of message that the contract asks for, in bytes.
const messageBytes = 1 << 20

// Uploaded is what became of one file.
type Uploaded struct {
	// Path is the file.
	Path string
	// Result has the instance as it is kept, and its feed position. Nil
	// when it was refused.
	Result *archivev1.UploadResult
	// Refusal says why it is not stored. Nil when it is.
	Refusal *Error
}

// Upload stores DICOM files of any size, many on one stream, and yields
// each as soon as it is durable or refused, not in the order given. A
// stream that breaks is resumed with what was not answered. An error ends
// the sequence: a file that cannot be read, or a mesh that stays away.
func Upload(
	ctx context.Context, archive archivev1.ArchiveServiceClient, store string, paths []string,
) iter.Seq2[Uploaded, error] {
	return func(yield func(Uploaded, error) bool) {
		u := &upload{archive: archive, store: store, paths: paths, left: map[uint64]bool{}, yield: yield}
		for tag := range paths {
			u.left[uint64(tag)] = true
		}
		var retry patience
		for len(u.left) > 0 {
			before := len(u.left)
			err := u.stream(ctx)
			if err == nil || errors.Is(err, errEnough) {
				return
			}
			if len(u.left) < before {
				retry.renew()
			}
			if err := retry.wait(ctx, err); err != nil {
				yield(Uploaded{}, err)
				return
			}
		}
	}
}

var errEnough = errors.New("the caller wants no more")

// upload is the state that outlives a broken stream.
type upload struct {
	archive archivev1.ArchiveServiceClient
	store   string
	paths   []string
	left    map[uint64]bool // the tags that are not answered yet
	yield   func(Uploaded, error) bool
}

// stream sends what is left on one stream and yields the answers.
func (u *upload) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	call, err := u.archive.UploadInstances(ctx)
	if err != nil {
		cancel(nil)
		return err
	}
	var tags []uint64
	for tag := range u.paths {
		if u.left[uint64(tag)] {
			tags = append(tags, uint64(tag))
		}
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if err := u.send(call, tags); err != nil {
			cancel(err) // a file cannot be read: the call ends, and this is why
		}
	}()
	err = u.receive(call)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	<-sent
	return err
}

func (u *upload) receive(call archivev1.ArchiveService_UploadInstancesClient) error {
	for {
		answer, err := call.Recv()
		if errors.Is(err, io.EOF) && len(u.left) > 0 {
			return errors.New("the archive ended the upload before all was answered")
		} else if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for _, result := range answer.Results {
			if !u.left[result.Tag] {
				return errors.New("the archive answered for an instance that it was not sent")
			}
			delete(u.left, result.Tag)
			uploaded := Uploaded{Path: u.paths[result.Tag], Result: result}
			if refusal := ErrorOf(result.Status); refusal != nil {
				uploaded.Result, uploaded.Refusal = nil, refusal
			}
			if !u.yield(uploaded, nil) {
				return errEnough
			}
		}
	}
}

// send sends the files of the tags. When the call breaks it just ends:
// Recv has the reason.
func (u *upload) send(call archivev1.ArchiveService_UploadInstancesClient, tags []uint64) error {
	message := &archivev1.UploadInstancesRequest{Store: u.store}
	size := 0
	add := func(chunk *archivev1.UploadChunk) error {
		if size > 0 && size+len(chunk.Data) > messageBytes {
			if err := call.Send(message); err != nil {
				return err
			}
			message, size = &archivev1.UploadInstancesRequest{}, 0
		}
		message.Chunks = append(message.Chunks, chunk)
		size += len(chunk.Data)
		return nil
	}
	for _, tag := range tags {
		if err := chunks(u.paths[tag], tag, add); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if call.Send(message) == nil {
		_ = call.CloseSend() // fails only where Recv does
	}
	return nil
}

// chunks gives a file's chunks in order, the last one marked.
func chunks(path string, tag uint64, add func(*archivev1.UploadChunk) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	for offset := int64(0); ; {
		data := make([]byte, min(messageBytes, info.Size()-offset))
		if _, err := io.ReadFull(file, data); err != nil {
			return &os.PathError{Op: "read", Path: path, Err: io.ErrUnexpectedEOF}
		}
		end := offset + int64(len(data))
		chunk := &archivev1.UploadChunk{Tag: tag, WriteOffset: offset, Data: data, Finish: end == info.Size()}
		if err := add(chunk); err != nil || chunk.Finish {
			return err
		}
		offset = end
	}
}
