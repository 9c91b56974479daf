package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
// [miner], or at the top of the file. A flag that may differ between subnets
// has its value for subnet 1 in section [miner.subnet.1].
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
		value, source, found := fromEnvironment(section, f.Name)
		if !found {
			faults = append(faults, applySubnets(section, f, file))
			value, source, found = fromFile(section, f.Name, file)
		}
		if !found {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", source, err))
		}
	})
	return errors.Join(faults...)
}

// perSubnet is implemented by flags that may differ between subnets.
type perSubnet interface {
	SetFor(netuid, value string) error
}

// applySubnets gives a flag the values that sections of single subnets have.
func applySubnets(section string, f *pflag.Flag, file *viper.Viper) error {
	var faults []error
	for _, netuid := range slices.Sorted(maps.Keys(file.GetStringMap(section + ".subnet"))) {
		key := section + ".subnet." + netuid + "." + f.Name
		if !file.IsSet(key) {
			continue
		}
		flag, ok := f.Value.(perSubnet)
		if !ok {
			faults = append(faults, fmt.Errorf("key %s of %s: --%s is the same for all subnets: set it in section [%s]", key, file.ConfigFileUsed(), f.Name, section))
			continue
		}
		if err := flag.SetFor(netuid, asFlag(file.Get(key))); err != nil {
			faults = append(faults, fmt.Errorf("key %s of %s: %w", key, file.ConfigFileUsed(), err))
		}
		f.Changed = true
	}
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

// fromEnvironment finds the value of a flag and names the variable.
func fromEnvironment(section, flag string) (value, source string, found bool) {
	upper := strings.NewReplacer("-", "_", ".", "_")
	for _, name := range []string{section + "_" + flag, flag} {
		variable := envPrefix + "_" + strings.ToUpper(upper.Replace(name))
		if value, ok := os.LookupEnv(variable); ok {
			return value, "environment variable " + variable, true
		}
	}
	return "", "", false
}

// fromFile finds the value of a flag in the settings file and names its key.
func fromFile(section, flag string, file *viper.Viper) (value, source string, found bool) {
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
