package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"regexp"
	"strings"

	archivev1 "diana-mesh/go/diana/archive/v1"
)

// PS3.5 section 9.1, as lenient as the archive is.
var uidForm = regexp.MustCompile(`^[0-9.]{1,64}$`)

// Saved is a file that a download wrote.
type Saved struct {
	// Path is the file.
	Path string
	// Instance is what is in it.
	Instance *archivev1.Instance
}

// Download fetches the instances that a selector names into files
// STUDY/SERIES/SOP-INSTANCE.dcm under a folder, and yields each once it is
// there. A file is there whole or not at all; one of the same name is
// replaced. An error ends the sequence.
func Download(
	ctx context.Context, archive archivev1.ArchiveServiceClient, store string, selector *archivev1.Selector, folder string,
) iter.Seq2[Saved, error] {
	return func(yield func(Saved, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		d := &download{folder: folder, yield: yield}
		request := &archivev1.DownloadInstancesRequest{Store: store, Selector: selector}
		if err := d.run(ctx, archive, request); err != nil && !errors.Is(err, errEnough) {
			yield(Saved{}, err)
		}
	}
}

type download struct {
	folder   string
	yield    func(Saved, error) bool
	file     *newFile // the one under way; nil between two
	instance *archivev1.Instance
	size     int64
}

func (d *download) run(
	ctx context.Context, archive archivev1.ArchiveServiceClient, request *archivev1.DownloadInstancesRequest,
) error {
	defer d.drop()
	call, err := archive.DownloadInstances(ctx, request)
	if err != nil {
		return err
	}
	for {
		answer, err := call.Recv()
		if errors.Is(err, io.EOF) && d.file != nil {
			return errors.New("the archive ended the download within an instance")
		} else if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for _, chunk := range answer.Chunks {
			if err := d.accept(chunk); err != nil {
				return err
			}
		}
	}
}

func (d *download) accept(chunk *archivev1.DownloadChunk) error {
	if chunk.Instance != nil {
		if err := d.begin(chunk.Instance); err != nil {
			return err
		}
	}
	if d.file == nil {
		return errors.New("the archive sent data that belongs to no instance")
	}
	if _, err := d.file.Write(chunk.Data); err != nil {
		return err
	}
	d.size += int64(len(chunk.Data))
	if chunk.Finish {
		return d.finish()
	}
	return nil
}

func (d *download) begin(instance *archivev1.Instance) error {
	d.drop()
	uids := []string{instance.StudyUid, instance.SeriesUid, instance.SopInstanceUid}
	for _, uid := range uids {
		// ".." is a folder, and what a peer sends is not to be trusted with one.
		if !uidForm.MatchString(uid) || strings.Trim(uid, ".") == "" {
			return errors.New("the archive named an instance by something that is no UID")
		}
	}
	file, err := createFile(filepath.Join(d.folder, uids[0], uids[1], uids[2]+".dcm"))
	d.file, d.instance, d.size = file, instance, 0
	return err
}

func (d *download) finish() error {
	if d.size != d.instance.SizeBytes {
		return fmt.Errorf("instance %s came with %d bytes of %d", d.instance.SopInstanceUid, d.size, d.instance.SizeBytes)
	}
	if err := d.file.commit(); err != nil {
		return err
	}
	saved := Saved{Path: d.file.path, Instance: d.instance}
	d.file = nil
	if !d.yield(saved, nil) {
		return errEnough
	}
	return nil
}

func (d *download) drop() {
	if d.file != nil {
		d.file.drop()
		d.file = nil
	}
}
