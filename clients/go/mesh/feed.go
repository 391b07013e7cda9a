package mesh

import (
	"context"
	"errors"
	"io"
	"iter"

	archivev1 "diana-mesh/go/diana/archive/v1"
	"google.golang.org/protobuf/proto"
)

// Follow yields the messages of the archive's change feed, from the
// request's position on. A stream that breaks is resumed where it was;
// entries may come twice. The sequence ends when the request stops at the
// head, or with an error: the context's, or a refusal.
func Follow(
	ctx context.Context, archive archivev1.ArchiveServiceClient, request *archivev1.WatchFeedRequest,
) iter.Seq2[*archivev1.WatchFeedResponse, error] {
	return func(yield func(*archivev1.WatchFeedResponse, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		next := proto.CloneOf(request)
		var retry patience
		for {
			err := watch(ctx, archive, next, func(answer *archivev1.WatchFeedResponse) bool {
				retry.renew()
				return yield(answer, nil)
			})
			if err == nil || errors.Is(err, errEnough) {
				return
			}
			if err := retry.wait(ctx, err); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// watch makes one call, and keeps its place in the request.
func watch(
	ctx context.Context, archive archivev1.ArchiveServiceClient,
	request *archivev1.WatchFeedRequest, take func(*archivev1.WatchFeedResponse) bool,
) error {
	call, err := archive.WatchFeed(ctx, request)
	if err != nil {
		return err
	}
	for {
		answer, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if !take(answer) {
			return errEnough
		}
		if answer.Position != "" {
			request.AfterPosition = answer.Position
		}
	}
}
