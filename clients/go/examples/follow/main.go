// Follow prints the archive's changes as they happen, until ctrl-C:
//
//	go run ./examples/follow
//
// Each time it has caught up it prints the position to go on from later,
// with -after.
package main

import (
	"context"
	"flag"
	"fmt"

	archivev1 "diana-mesh/go/diana/archive/v1"
	"diana-mesh/go/examples/internal/cli"
	"diana-mesh/go/mesh"
	"google.golang.org/grpc"
)

func main() {
	request := &archivev1.WatchFeedRequest{OmitHeaders: true}
	flag.StringVar(&request.AfterPosition, "after", "", "only what happened after this `position`")
	flag.BoolVar(&request.StopAtHead, "stop-at-head", false, "end after what has happened until now")
	store := flag.String("store", "", "only this store's changes")
	cli.Run("127.0.0.1:50061", "", 0, func(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
		if *store != "" {
			request.Stores = []string{*store}
		}
		shown := ""
		for message, err := range mesh.Follow(ctx, archivev1.NewArchiveServiceClient(conn), request) {
			if ctx.Err() != nil {
				return nil
			} else if err != nil {
				return err
			}
			for _, entry := range message.Entries {
				show(entry)
			}
			if message.EntriesBehind == 0 && message.Position != shown {
				shown = message.Position
				fmt.Printf("position\t%s\n", shown)
			}
		}
		return nil
	})
}

func show(entry *archivev1.FeedEntry) {
	switch event := entry.Event.(type) {
	case *archivev1.FeedEntry_InstanceStored:
		fmt.Printf("stored\t%s\t%s\n", entry.Store, event.InstanceStored.Instance.SopInstanceUid)
	case *archivev1.FeedEntry_InstancesDeleted:
		fmt.Printf("deleted\t%s\t%s\n", entry.Store, event.InstancesDeleted.StudyUid)
	case *archivev1.FeedEntry_InstancesRestored:
		fmt.Printf("restored\t%s\t%s\n", entry.Store, event.InstancesRestored.StudyUid)
	case *archivev1.FeedEntry_StudyAttributesChanged:
		fmt.Printf("attributes\t%s\t%s\n", entry.Store, event.StudyAttributesChanged.StudyUid)
	case *archivev1.FeedEntry_StudyCompleted:
		fmt.Printf("complete\t%s\t%s\n", entry.Store, event.StudyCompleted.StudyUid)
	}
}
