package library

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// FetchOptions changes how Fetch works. The zero value is what the command uses.
type FetchOptions struct {
	Folder   string                           // where to keep the library; <user cache>/plexus/onnxruntime when empty
	Npm      string                           // the npm program; "npm" from PATH when empty
	Progress func(format string, args ...any) // told each step; silent when nil
}

func (o FetchOptions) withDefaults() (FetchOptions, error) {
	if o.Npm == "" {
		o.Npm = "npm"
	}
	if o.Progress == nil {
		o.Progress = func(string, ...any) {}
	}
	if o.Folder != "" {
		return o, nil
	}
	var err error
	o.Folder, err = defaultCache()
	return o, err
}

// Fetch makes sure that the pinned library is in the cache and returns its path. A file that is there already and has
// the pinned checksum is kept; a damaged one is replaced. It fails with ErrPlatform, ErrNpm, ErrDownload or ErrChecksum.
func Fetch(ctx context.Context, options FetchOptions) (string, error) {
	b, err := buildFor(Platform())
	if err != nil {
		return "", err
	}
	o, err := options.withDefaults()
	if err != nil {
		return "", err
	}
	path := cachedFile(o.Folder)
	if Verify(path) == nil {
		o.Progress("ONNX Runtime %s is already at %s", Version, path)
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	unlock, err := lock(ctx, path+".lock", o.Progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	if Verify(path) == nil { // another process fetched it while we waited
		o.Progress("ONNX Runtime %s is at %s", Version, path)
		return path, nil
	}
	return path, o.download(ctx, b, path)
}

// Verify reports whether the file at path is the pinned library for this platform: nil, or why not.
func Verify(path string) error {
	b, err := buildFor(Platform())
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() != b.size {
		return fmt.Errorf("%w: %s has %d bytes, want %d", ErrChecksum, path, info.Size(), b.size)
	}
	sum, err := HashFile(path)
	if err != nil {
		return err
	}
	if sum != b.sha256 {
		return fmt.Errorf("%w: SHA-256 of %s is %s, want %s", ErrChecksum, path, sum, b.sha256)
	}
	return nil
}

// HashFile returns the SHA-256 of a file in hex.
func HashFile(path string) (string, error) {
	sum, err := hashFile(path, sha256.New())
	return hex.EncodeToString(sum), err
}

func hashFile(path string, h hash.Hash) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := io.Copy(h, f); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return h.Sum(nil), nil
}

// download packs the npm package into a temporary folder beside path and puts the library in place.
func (o FetchOptions) download(ctx context.Context, b build, path string) error {
	if err := removeStale(filepath.Dir(path)); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(path), temporaryPrefix)
	if err != nil {
		return fmt.Errorf("make a folder to download into: %w", err)
	}
	defer os.RemoveAll(temporary)

	o.Progress("fetching %s with npm (about 100 MB)", npmPackage)
	tarball, err := o.pack(ctx, temporary)
	if err != nil {
		return err
	}
	o.Progress("checking and unpacking")
	if err := checkTarball(tarball); err != nil {
		return err
	}
	library := filepath.Join(temporary, fileName)
	if err := extract(tarball, b.entry, library, b.size); err != nil {
		return err
	}
	if err := Verify(library); err != nil {
		return err
	}
	if err := os.Rename(library, path); err != nil {
		return fmt.Errorf("put the library in place: %w", err)
	}
	o.Progress("ONNX Runtime %s is at %s", Version, path)
	return nil
}

const temporaryPrefix = "fetch-"

// removeStale deletes what a fetch that was killed left behind; whoever holds the lock is the only one fetching.
func removeStale(folder string) error {
	stale, err := filepath.Glob(filepath.Join(folder, temporaryPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range stale {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove what an earlier fetch left: %w", err)
		}
	}
	return nil
}

// pack runs npm pack and returns the tarball's path.
func (o FetchOptions) pack(ctx context.Context, folder string) (string, error) {
	npm, err := exec.LookPath(o.Npm)
	if err != nil {
		return "", fmt.Errorf("%w: %q is not on PATH; install Node.js with npm, or put an ONNX Runtime of %s or newer in place and name it with --%s or %s",
			ErrNpm, o.Npm, MinVersion, Flag, EnvVar)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, npm, "pack", npmPackage, "--ignore-scripts", "--loglevel=error", "--pack-destination", folder)
	cmd.Dir = folder
	cmd.Stderr = &stderr
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("%w: npm pack %s was stopped: %w", ErrDownload, npmPackage, ctx.Err())
		}
		return "", fmt.Errorf("%w: npm pack %s: %w: %s", ErrDownload, npmPackage, err, lastLines(stderr.String(), 3))
	}
	tarballs, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(tarballs) != 1 {
		return "", fmt.Errorf("%w: npm pack %s left %d tarballs in %s, want 1", ErrDownload, npmPackage, len(tarballs), folder)
	}
	return tarballs[0], nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

func checkTarball(path string) error {
	sum, err := hashFile(path, sha512.New())
	if err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(sum); got != npmIntegrity {
		return fmt.Errorf("%w: SHA-512 of the package %s is %s, want %s", ErrChecksum, npmPackage, got, npmIntegrity)
	}
	return nil
}

// extract writes the one entry of the tarball to a file, which is complete on the disk when it returns.
func extract(tarball, entry, path string, size int64) error {
	in, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer in.Close()
	unzipped, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", npmPackage, err)
	}
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %s holds no %s", ErrChecksum, npmPackage, entry)
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", npmPackage, err)
		}
		if header.Name == entry {
			return writeSynced(path, io.LimitReader(files, size+1))
		}
	}
}

func writeSynced(path string, from io.Reader) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, copyErr := io.Copy(out, from)
	return errors.Join(copyErr, out.Sync(), out.Close())
}
