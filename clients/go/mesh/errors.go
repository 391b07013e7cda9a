package mesh

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is a refusal or a failure. Programs branch on Reason, or on Code
// where there is none, never on the message. status.Code and
// status.FromError understand it too.
type Error struct {
	// Code is the canonical status code.
	Code codes.Code
	// Reason is a diana.type.v1.ErrorReason without its prefix, such as
	// "STUDY_NOT_FOUND"; empty when the peer gave none.
	Reason string
	// Message says what is wrong.
	Message string
	// Remedy says in a sentence what the caller can do about it.
	Remedy string
	// ErrorID leads to an INTERNAL error's entry in the server's log.
	ErrorID string
	// Fields are the request's bad fields.
	Fields []Field

	status *status.Status
}

// Field is a bad field of a request.
type Field struct{ Path, Description string }

// ErrorOf is the error of a status, as batches, uploads and operations
// carry; nil for none, or for OK.
func ErrorOf(proto *spb.Status) *Error {
	if proto.GetCode() == 0 {
		return nil
	}
	s := status.FromProto(proto)
	e := &Error{Code: s.Code(), Message: s.Message(), status: s}
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason, e.Remedy, e.ErrorID = d.Reason, d.Metadata["remedy"], d.Metadata["error_id"]
		case *errdetails.BadRequest:
			for _, violation := range d.FieldViolations {
				e.Fields = append(e.Fields, Field{violation.Field, violation.Description})
			}
		}
	}
	return e
}

// Error is reason, message, bad fields and remedy in one line.
func (e *Error) Error() string {
	label := e.Reason
	if label == "" {
		label = e.Code.String()
	}
	parts := []string{label + ": " + e.Message}
	for _, field := range e.Fields {
		parts = append(parts, fmt.Sprintf("[%s: %s]", field.Path, field.Description))
	}
	return strings.TrimSpace(strings.Join(append(parts, e.Remedy), " "))
}

// GRPCStatus lets the status package see through the error.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// translate turns a call's error into an *Error; io.EOF and nil stay.
func translate(err error) error {
	if s, ok := status.FromError(err); ok && s.Code() != codes.OK {
		return ErrorOf(s.Proto())
	}
	return err
}

// unary gives calls that answer once a deadline and typed errors.
func unary(timeout time.Duration) grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, request, reply any,
		conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		if _, set := ctx.Deadline(); !set {
			limited, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			ctx = limited
		}
		return translate(invoke(ctx, method, request, reply, conn, options...))
	}
}

// streaming gives streams typed errors.
func streaming(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn,
	method string, open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	call, err := open(ctx, desc, conn, method, options...)
	if err != nil {
		return nil, translate(err)
	}
	return stream{call}, nil
}

type stream struct{ grpc.ClientStream }

func (s stream) SendMsg(message any) error { return translate(s.ClientStream.SendMsg(message)) }

func (s stream) RecvMsg(message any) error { return translate(s.ClientStream.RecvMsg(message)) }
