// Deliveries lists what notify has sent or is about to, newest first:
//
//	go run ./examples/deliveries -state dead
package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	notifyv1 "diana-mesh/go/diana/notify/v1"
	"diana-mesh/go/examples/internal/cli"
	"google.golang.org/grpc"
)

func main() {
	request := &notifyv1.ListDeliveriesRequest{}
	flag.StringVar(&request.Channel, "channel", "", "only those of this channel, by its tag")
	state := flag.String("state", "unspecified", "only queued, sent or dead")
	cli.Run("127.0.0.1:50065", "", 0, func(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
		number, known := notifyv1.Delivery_State_value["STATE_"+strings.ToUpper(*state)]
		if !known {
			return fmt.Errorf("there is no state %q", *state)
		}
		request.State = notifyv1.Delivery_State(number)
		return list(ctx, notifyv1.NewNotifyServiceClient(conn), request)
	})
}

func list(ctx context.Context, notify notifyv1.NotifyServiceClient, request *notifyv1.ListDeliveriesRequest) error {
	for {
		page, err := notify.ListDeliveries(ctx, request)
		if err != nil {
			return err
		}
		for _, delivery := range page.Deliveries {
			cli.ShowDelivery(delivery)
		}
		if page.NextPageToken == "" {
			return nil
		}
		request.PageToken = page.NextPageToken
	}
}
