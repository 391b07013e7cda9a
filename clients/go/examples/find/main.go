// Find asks the index for records at a level, page by page:
//
//	go run ./examples/find -level series 'Modality=C*' StudyDate=20260101-
//
// It prints the record's UID and how many instances it stands for.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"strings"

	indexv1 "diana-mesh/go/diana/index/v1"
	typev1 "diana-mesh/go/diana/type/v1"
	"diana-mesh/go/examples/internal/cli"
	"google.golang.org/grpc"
)

func main() {
	request := &indexv1.FindRequest{}
	flag.StringVar(&request.Store, "store", "", "where to look")
	flag.StringVar(&request.AtLeastPosition, "at-least", "", "wait until the index knows this `position`")
	level := flag.String("level", "study", "patient, study, series or instance")
	cli.Run("127.0.0.1:50062", "ATTRIBUTE=VALUE...", 0, func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		number, known := typev1.QueryLevel_value["QUERY_LEVEL_"+strings.ToUpper(*level)]
		if !known {
			return fmt.Errorf("there is no level %q", *level)
		}
		request.Level = typev1.QueryLevel(number)
		for _, arg := range args {
			attribute, value, _ := strings.Cut(arg, "=")
			match := &indexv1.AttributeMatch{Attribute: attribute, Values: []string{value}}
			request.Matches = append(request.Matches, match)
		}
		return find(ctx, indexv1.NewIndexServiceClient(conn), request)
	})
}

func find(ctx context.Context, index indexv1.IndexServiceClient, request *indexv1.FindRequest) error {
	for {
		page, err := index.Find(ctx, request)
		if err != nil {
			return err
		}
		for _, record := range page.Records {
			uid := cmp.Or(record.SopInstanceUid, record.SeriesUid, record.StudyUid, record.PatientId)
			fmt.Printf("%s\t%d\n", uid, record.InstanceCount)
		}
		if page.NextPageToken == "" {
			return nil
		}
		request.PageToken = page.NextPageToken
	}
}
