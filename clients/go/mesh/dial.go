// Package mesh is what a Go program needs beside the generated clients of
// DIANA mesh: connections with the mesh's retry policy, errors with reason
// and remedy, and the moving of whole files.
package mesh

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// DefaultTimeout bounds a call that answers once and whose context has no
// deadline. Streams have none.
const DefaultTimeout = 30 * time.Second

// Every RPC of the mesh may be repeated; an upload stream, though, is
// resumed by Upload with what was not answered. Naming a method wins over
// naming nothing, which means all.
const serviceConfig = `{"methodConfig": [
	{"name": [{}], "retryPolicy": {
		"maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "3s", "backoffMultiplier": 2,
		"retryableStatusCodes": ["UNAVAILABLE"]}},
	{"name": [{"service": "diana.archive.v1.ArchiveService", "method": "UploadInstances"}]}
]}`

var reconnect = backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second}

// Options say how to reach a service. The zero value is plain text.
type Options struct {
	// TLS says whom to trust; nil means plain text.
	TLS *TLS
	// TokenFile holds a bearer token. It is read for each call, so that it
	// may be renewed, and goes over TLS only.
	TokenFile string
	// Timeout replaces DefaultTimeout where it is not zero.
	Timeout time.Duration
}

// TLS names PEM files.
type TLS struct {
	// CAFile has the certificates to trust; empty means the system's.
	CAFile string
	// CertFile and KeyFile are who this client is, for mutual TLS.
	CertFile, KeyFile string
	// ServerName is the name to expect in the server's certificate, where
	// it is not that of the address.
	ServerName string
}

// Dial connects to the service at host:port, once it is first needed. The
// errors of its calls are *Error.
func Dial(address string, options Options) (*grpc.ClientConn, error) {
	transport, err := options.transport()
	if err != nil {
		return nil, err
	}
	timeout := options.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithUnaryInterceptor(unary(timeout)),
		grpc.WithStreamInterceptor(streaming),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 20 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           reconnect,
			MinConnectTimeout: 5 * time.Second,
		}),
	}
	if options.TokenFile != "" {
		dial = append(dial, grpc.WithPerRPCCredentials(tokenFile(options.TokenFile)))
	}
	return grpc.NewClient(address, dial...)
}

func (o Options) transport() (credentials.TransportCredentials, error) {
	if o.TLS != nil {
		return o.TLS.credentials()
	}
	if o.TokenFile != "" {
		return nil, errors.New("a token is sent over TLS only: set TLS too")
	}
	return insecure.NewCredentials(), nil
}

func (t TLS) credentials() (credentials.TransportCredentials, error) {
	config := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", t.CAFile)
		}
	}
	if t.CertFile != "" || t.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

// tokenFile puts "authorization: Bearer TOKEN" on each call.
type tokenFile string

func (f tokenFile) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := os.ReadFile(string(f))
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + strings.TrimSpace(string(token))}, nil
}

func (tokenFile) RequireTransportSecurity() bool { return true }
