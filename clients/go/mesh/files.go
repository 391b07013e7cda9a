package mesh

import (
	"crypto/rand"
	"os"
	"path/filepath"
)

// newFile is a file that appears whole under its name, or not at all.
type newFile struct {
	*os.File
	path string
}

// createFile opens a file for writing; folders are made as needed.
func createFile(path string) (*newFile, error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, err
	}
	part := filepath.Join(folder, ".part-"+rand.Text())
	file, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	return &newFile{file, path}, nil
}

// commit gives the file its name, in place of one that had it.
func (f *newFile) commit() error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), f.path)
}

// drop removes a file that was not committed.
func (f *newFile) drop() {
	f.Close()
	os.Remove(f.Name())
}
