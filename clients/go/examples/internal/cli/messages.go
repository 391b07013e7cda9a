package cli

import (
	"flag"
	"fmt"
	"strings"

	notifyv1 "diana-mesh/go/diana/notify/v1"
)

// Content is a message as flags tell it: a template, or a text.
func Content() *notifyv1.Content {
	content := &notifyv1.Content{Values: Pairs{}}
	flag.StringVar(&content.Template, "template", "", "a configured template's `name`, in place of -subject and -body")
	flag.StringVar(&content.Subject, "subject", "", "the subject, one line")
	flag.StringVar(&content.Body, "body", "", "the text")
	flag.Var(Pairs(content.Values), "value", "what templates may name, `KEY=VALUE`")
	return content
}

// ShowDelivery prints a delivery's name, state, transport and attempts.
func ShowDelivery(delivery *notifyv1.Delivery) {
	state := strings.ToLower(strings.TrimPrefix(delivery.State.String(), "STATE_"))
	transport := strings.ToLower(strings.TrimPrefix(delivery.Recipient.Transport.String(), "TRANSPORT_"))
	fmt.Printf("%s\t%s\t%s\t%d\t%s\n", delivery.Name, state, transport, delivery.AttemptCount, delivery.LastError)
}
