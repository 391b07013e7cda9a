// Anonymize de-identifies one DICOM file into another:
//
//	go run ./examples/anonymize FROM.dcm TO.dcm
package main

import (
	"context"
	"flag"
	"fmt"

	anonv1 "diana-mesh/go/diana/anon/v1"
	"diana-mesh/go/examples/internal/cli"
	"diana-mesh/go/mesh"
	"google.golang.org/grpc"
)

func main() {
	profile := flag.String("profile", "", "how, as ListProfiles names it")
	cli.Run("127.0.0.1:50064", "FROM TO", 2, func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		instance, err := mesh.AnonymizeFile(ctx, anonv1.NewAnonServiceClient(conn), *profile, args[0], args[1])
		if err != nil {
			return err
		}
		fmt.Printf("%s\t%s\t%s\n", args[1], instance.StudyUid, instance.SopInstanceUid)
		return nil
	})
}
