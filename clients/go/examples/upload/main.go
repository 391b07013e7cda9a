// Upload stores DICOM files, and the files of folders:
//
//	go run ./examples/upload FOLDER
//
// It prints a line for each as soon as it is durable, then the position to
// ask the index with. It ends with 1 when a file was refused.
package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	archivev1 "diana-mesh/go/diana/archive/v1"
	"diana-mesh/go/examples/internal/cli"
	"diana-mesh/go/mesh"
	"google.golang.org/grpc"
)

func main() {
	store := flag.String("store", "", "the store that takes them")
	cli.Run("127.0.0.1:50061", "FILE|FOLDER...", 1, func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		paths, err := filesIn(args)
		if err != nil {
			return err
		}
		return upload(ctx, archivev1.NewArchiveServiceClient(conn), *store, paths)
	})
}

func upload(ctx context.Context, archive archivev1.ArchiveServiceClient, store string, paths []string) error {
	refused := 0
	for uploaded, err := range mesh.Upload(ctx, archive, store, paths) {
		if err != nil {
			return err
		}
		if uploaded.Refusal != nil {
			fmt.Fprintf(os.Stderr, "refused\t%s\t%v\n", uploaded.Path, uploaded.Refusal)
			refused++
			continue
		}
		word := "stored"
		if uploaded.Result.Outcome == archivev1.UploadResult_OUTCOME_ALREADY_STORED {
			word = "already stored"
		}
		fmt.Printf("%s\t%s\t%s\n", word, uploaded.Path, uploaded.Result.Instance.SopInstanceUid)
	}
	statistics, err := archive.GetStatistics(ctx, &archivev1.GetStatisticsRequest{Store: store})
	if err != nil {
		return err
	}
	fmt.Printf("position\t%s\n", statistics.HeadPosition)
	if refused > 0 {
		return fmt.Errorf("refused %d of %d", refused, len(paths))
	}
	return nil
}

// filesIn is the files named and those in the folders named.
func filesIn(roots []string) ([]string, error) {
	var paths []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return paths, nil
}
