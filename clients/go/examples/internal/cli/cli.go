// Package cli is what the examples have in common: how to reach a service,
// and how to end.
package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"diana-mesh/go/mesh"
	"google.golang.org/grpc"
)

// Example is what an example does once it is connected.
type Example func(ctx context.Context, conn *grpc.ClientConn, args []string) error

// Run parses the command line, connects to one service and runs an example.
// Usage names the arguments after the flags; atLeast is how many there must
// be. An error is printed, and the program ends with 1; ctrl-C cancels ctx.
func Run(address, usage string, atLeast int, example Example) {
	var options mesh.Options
	var tls mesh.TLS
	flag.StringVar(&address, "address", address, "the service, `HOST:PORT`")
	flag.StringVar(&tls.CAFile, "ca", "", "use TLS, and trust the certificates in this PEM `file`")
	flag.StringVar(&tls.CertFile, "cert", "", "with -ca: this client's certificate, a PEM `file`")
	flag.StringVar(&tls.KeyFile, "key", "", "with -cert: its key, a PEM `file`")
	flag.StringVar(&options.TokenFile, "token-file", "", "with -ca: a `file` with a bearer token")
	flag.DurationVar(&options.Timeout, "timeout", mesh.DefaultTimeout, "how long a call that answers once may take")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: %s [flags] %s\n", os.Args[0], usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() < atLeast {
		flag.Usage()
		os.Exit(2)
	}
	if tls.CAFile != "" {
		options.TLS = &tls
	}
	if err := run(address, options, example); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address string, options mesh.Options, example Example) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	conn, err := mesh.Dial(address, options)
	if err != nil {
		return err
	}
	defer conn.Close()
	return example(ctx, conn, flag.Args())
}
