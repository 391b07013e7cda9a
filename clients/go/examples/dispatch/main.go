// Dispatch queues a message for every subscriber of a channel:
//
//	go run ./examples/dispatch -subject 'Ready' -body 'Dear {{ recipient.name }}' CHANNEL
package main

import (
	"context"
	"crypto/rand"

	notifyv1 "diana-mesh/go/diana/notify/v1"
	"diana-mesh/go/examples/internal/cli"
	"google.golang.org/grpc"
)

func main() {
	request := &notifyv1.DispatchMessageRequest{RequestId: rand.Text(), Content: cli.Content()}
	cli.Run("127.0.0.1:50065", "CHANNEL", 1, func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		request.Channel = args[0]
		answer, err := notifyv1.NewNotifyServiceClient(conn).DispatchMessage(ctx, request)
		if err != nil {
			return err
		}
		for _, delivery := range answer.Deliveries {
			cli.ShowDelivery(delivery)
		}
		return nil
	})
}
