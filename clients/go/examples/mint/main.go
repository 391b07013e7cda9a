// Mint reads subjects, one JSON object a line, and prints their identities:
//
//	echo '{"patientId": "P1", "sex": "SEX_FEMALE"}' | go run ./examples/mint
//
// Patient values come on standard input, since a command line is for
// everybody to see.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"

	guidv1 "diana-mesh/go/diana/guid/v1"
	"diana-mesh/go/examples/internal/cli"
	"diana-mesh/go/mesh"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
)

func main() {
	domain := flag.String("domain", "", "whose identities")
	cli.Run("127.0.0.1:50063", "< SUBJECTS", 0, func(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
		request := &guidv1.BatchMintIdentitiesRequest{Domain: *domain}
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			subject := &guidv1.Subject{}
			if err := protojson.Unmarshal(lines.Bytes(), subject); err != nil {
				return fmt.Errorf("line %d is no subject", len(request.Subjects)+1)
			}
			request.Subjects = append(request.Subjects, subject)
		}
		if err := lines.Err(); err != nil {
			return err
		}
		answer, err := guidv1.NewGuidServiceClient(conn).BatchMintIdentities(ctx, request)
		if err != nil {
			return err
		}
		return show(answer.Results)
	})
}

// show prints a line for each subject, in order. One that could not be
// minted does not spoil the rest.
func show(results []*guidv1.MintResult) error {
	refused := 0
	for _, result := range results {
		if refusal := mesh.ErrorOf(result.GetStatus()); refusal != nil {
			fmt.Fprintln(os.Stderr, refusal)
			refused++
			continue
		}
		identity := result.GetIdentity()
		fmt.Printf("%s\t%s\t%d\n", identity.Id, identity.Name, identity.TimeOffset.GetSeconds())
	}
	if refused > 0 {
		return fmt.Errorf("refused %d of %d", refused, len(results))
	}
	return nil
}
