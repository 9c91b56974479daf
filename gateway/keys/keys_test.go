package keys

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newFile(t *testing.T) *File {
	t.Helper()
	return Open(filepath.Join(t.TempDir(), "below", "keys.json"), Options{MaxKeys: 50, Refresh: time.Nanosecond})
}

func TestAKeyLetsItsHolderIn(t *testing.T) {
	file := newFile(t)
	_, err := file.Authenticate("plx_1_2", time.Now())
	require.ErrorIs(t, err, ErrUnknown, "no file yet")

	secret, made, err := file.Create(Key{Name: "web", Subnets: []uint32{1, 2}, Models: []string{"digits"}, BudgetDay: 5, Rate: 2.5, Burst: 3})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(secret, Prefix+"_"+made.ID+"_"))
	got, err := file.Authenticate(secret, time.Now())
	require.NoError(t, err)
	require.Equal(t, made, got)
	require.True(t, got.MayAsk(2) && got.MayUse("digits"))
	require.False(t, got.MayAsk(3) || got.MayUse("text"))
	require.True(t, Key{}.MayAsk(3) && Key{}.MayUse("text"), "no list: all")

	for name, wrong := range map[string]string{
		"empty": "", "other secret": secret[:len(secret)-1] + string(secret[len(secret)-1]^1), "longer": secret + "0",
		"upper case": strings.ToUpper(secret), "hash of it": made.Hash, "id alone": Prefix + "_" + made.ID + "_",
	} {
		_, err := file.Authenticate(wrong, time.Now())
		require.ErrorIs(t, err, ErrUnknown, name)
	}
}

// The file must be of no use to who reads it.
func TestTheFileHoldsNoSecret(t *testing.T) {
	file := newFile(t)
	secret, made, err := file.Create(Key{Name: "web"})
	require.NoError(t, err)
	data, err := os.ReadFile(file.Path())
	require.NoError(t, err)
	require.NotContains(t, string(data), secret)
	require.NotContains(t, string(data), strings.SplitN(secret, "_", 3)[2])
	require.Contains(t, string(data), made.Hash)
	info, err := os.Stat(file.Path())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, os.Chmod(file.Path(), 0o640))
	_, err = file.Authenticate(secret, time.Now())
	require.ErrorIs(t, err, ErrFile)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.Chmod(file.Path(), 0o600))
	_, err = file.Authenticate(secret, time.Now())
	require.NoError(t, err, "and is read again when that is put right")
}

func TestRevocationIsSeenByAnotherProgramAtOnce(t *testing.T) {
	gateway := newFile(t)
	operator := Open(gateway.Path(), Options{})
	secret, made, err := operator.Create(Key{Name: "web"})
	require.NoError(t, err)
	_, err = gateway.Authenticate(secret, time.Now())
	require.NoError(t, err)
	_, err = operator.Revoke("nobody", time.Now())
	require.ErrorIs(t, err, ErrUnknown)
	first, err := operator.Revoke(made.ID, time.Now())
	require.NoError(t, err)
	_, err = gateway.Authenticate(secret, time.Now())
	require.ErrorIs(t, err, ErrRevoked)
	again, err := operator.Revoke("web", time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, first.Revoked, again.Revoked)
	require.Equal(t, "revoked", again.State(time.Now()))
	_, _, err = operator.Create(Key{Name: "web"})
	require.ErrorIs(t, err, ErrKey, "a name is not used again")
}

func TestExpiry(t *testing.T) {
	file := newFile(t)
	now := time.Now()
	secret, made, err := file.Create(Key{Name: "web", Expires: now.Add(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, "active", made.State(now))
	_, err = file.Authenticate(secret, made.Expires.Add(-time.Nanosecond))
	require.NoError(t, err)
	_, err = file.Authenticate(secret, made.Expires)
	require.ErrorIs(t, err, ErrExpired)
	require.Equal(t, "expired", made.State(made.Expires))
}

func TestWhatIsNoKey(t *testing.T) {
	file := newFile(t)
	for name, k := range map[string]Key{
		"no name": {}, "a space": {Name: "a b"}, "a path": {Name: "../x"}, "negative rate": {Name: "a", Rate: -1}, "wild rate": {Name: "a", Rate: 1e9},
		"negative burst": {Name: "a", Burst: -1}, "subnet 0": {Name: "a", Subnets: []uint32{0}}, "empty model": {Name: "a", Models: []string{""}},
		"expired": {Name: "a", Expires: time.Now().Add(-time.Hour)}, "long name": {Name: strings.Repeat("a", 65)},
	} {
		_, _, err := file.Create(k)
		require.ErrorIs(t, err, ErrKey, name)
	}
	_, err := os.Stat(file.Path())
	require.ErrorIs(t, err, os.ErrNotExist, "nothing was written")
}

// Whoever has edited the file by hand and got it wrong locks everybody out, and is told why; nobody is let in on a guess.
func TestADamagedFileLetsNobodyIn(t *testing.T) {
	file := newFile(t)
	secret, _, err := file.Create(Key{Name: "web"})
	require.NoError(t, err)
	good, err := os.ReadFile(file.Path())
	require.NoError(t, err)
	for name, bad := range map[string]string{
		"cut short": string(good[:len(good)/2]), "empty": "", "another version": strings.Replace(string(good), `"version": 1`, `"version": 2`, 1),
		"unknown field": strings.Replace(string(good), `"name"`, `"budgget": 5, "name"`, 1),
		"bad hash":      strings.Replace(string(good), `"sha256": "`, `"sha256": "00`, 1),
	} {
		require.NoError(t, os.WriteFile(file.Path(), []byte(bad), 0o600))
		_, err = file.Authenticate(secret, time.Now())
		require.ErrorIs(t, err, ErrFile, name)
		_, _, err = file.Create(Key{Name: "other"})
		require.ErrorIs(t, err, ErrFile, name)
	}
	require.NoError(t, os.WriteFile(file.Path(), good, 0o600))
	_, err = file.Authenticate(secret, time.Now())
	require.NoError(t, err)
}

func TestManyMakeKeysAtOnce(t *testing.T) {
	path := newFile(t).Path()
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			_, _, err := Open(path, Options{MaxKeys: 30}).Create(Key{Name: fmt.Sprintf("key%d", i)})
			if err != nil {
				require.ErrorIs(t, err, ErrKey)
			}
		})
	}
	all.Wait()
	list, err := Open(path, Options{}).List()
	require.NoError(t, err)
	require.Len(t, list, 30, "no key is lost, and no more than the limit are there")
}

func FuzzParse(f *testing.F) {
	good, err := json.Marshal(contents{Version: fileVersion, Keys: []Key{{ID: "0123456789ab", Name: "web", Hash: strings.Repeat("0", 64), Created: time.Unix(1, 0)}}})
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(`{"version":1,"keys":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parse(data)
		if err != nil {
			return
		}
		for _, k := range list {
			require.NoError(t, k.check())
			require.Len(t, k.Hash, 64)
		}
	})
}
