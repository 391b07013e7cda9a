// Send queues a message for one recipient:
//
//	go run ./examples/send -subject 'Hello' -body 'A study is ready.' email ada@example.org
//
// Transports are email, webhook, file and screen.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	notifyv1 "diana-mesh/go/diana/notify/v1"
	"diana-mesh/go/examples/internal/cli"
	"google.golang.org/grpc"
)

func main() {
	// With a request id the message goes out once, however often it is asked for.
	request := &notifyv1.SendMessageRequest{RequestId: rand.Text(), Content: cli.Content()}
	cli.Run("127.0.0.1:50065", "TRANSPORT ADDRESS", 2, func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		number, known := notifyv1.Transport_value["TRANSPORT_"+strings.ToUpper(args[0])]
		if !known {
			return fmt.Errorf("there is no transport %q", args[0])
		}
		request.Recipient = &notifyv1.Recipient{Transport: notifyv1.Transport(number), Address: args[1]}
		answer, err := notifyv1.NewNotifyServiceClient(conn).SendMessage(ctx, request)
		if err != nil {
			return err
		}
		cli.ShowDelivery(answer.Delivery)
		return nil
	})
}
