package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// settingsFile holds the configuration of the commands that are not the
// chain's, below the home folder: a section per command, a key per flag.
const settingsFile = "config/plexus.toml"

// applySettings gives every flag that was not set on the command line its
// value from the environment, else from the settings file. The flag
// --max-burn of `plexus miner start` is PLEXUS_MINER_MAX_BURN, or
// PLEXUS_MAX_BURN for whichever command has it, and max-burn in section
// [miner], or at the top of the file.
func applySettings(cmd *cobra.Command) error {
	home, err := homeOf(cmd)
	if err != nil {
		return err
	}
	file, err := readSettings(filepath.Join(home, settingsFile))
	if err != nil {
		return err
	}
	section := sectionOf(cmd)
	var faults []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" {
			return
		}
		value, source, found := lookUp(section, f.Name, file)
		if !found {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", source, err))
		}
	})
	return errors.Join(faults...)
}

// sectionOf is the first word of a command after the program's name.
func sectionOf(cmd *cobra.Command) string {
	words := strings.Fields(cmd.CommandPath())
	if len(words) < 2 {
		return ""
	}
	return words[1]
}

func readSettings(path string) (*viper.Viper, error) {
	file := viper.New()
	file.SetConfigFile(path)
	file.SetConfigType("toml")
	err := file.ReadInConfig()
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil
	}
	if err != nil {
		return nil, fmt.Errorf("settings file %s: %w", path, err)
	}
	return file, nil
}

// lookUp finds the value of a flag and names where it stands.
func lookUp(section, flag string, file *viper.Viper) (value, source string, found bool) {
	upper := strings.NewReplacer("-", "_", ".", "_")
	for _, name := range []string{section + "_" + flag, flag} {
		variable := envPrefix + "_" + strings.ToUpper(upper.Replace(name))
		if value, ok := os.LookupEnv(variable); ok {
			return value, "environment variable " + variable, true
		}
	}
	for _, key := range []string{section + "." + flag, flag} {
		if file.IsSet(key) {
			return asFlag(file.Get(key)), "key " + key + " of " + file.ConfigFileUsed(), true
		}
	}
	return "", "", false
}

// asFlag writes a value of the settings file as the command line would.
func asFlag(value any) string {
	list, ok := value.([]any)
	if !ok {
		return fmt.Sprint(value)
	}
	items := make([]string, len(list))
	for i, item := range list {
		items[i] = fmt.Sprint(item)
	}
	return strings.Join(items, ",")
}
