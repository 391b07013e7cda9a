// Download fetches a study into FOLDER/STUDY/SERIES/SOP-INSTANCE.dcm:
//
//	go run ./examples/download STUDY-UID FOLDER
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
	store := flag.String("store", "", "the store that has it")
	series := flag.String("series", "", "only the series of this `UID`")
	cli.Run("127.0.0.1:50061", "STUDY-UID FOLDER", 2, func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		selector := &archivev1.Selector{StudyUid: args[0], SeriesUid: *series}
		for saved, err := range mesh.Download(ctx, archivev1.NewArchiveServiceClient(conn), *store, selector, args[1]) {
			if err != nil {
				return err
			}
			fmt.Printf("%s\t%d\n", saved.Path, saved.Instance.SizeBytes)
		}
		return nil
	})
}
