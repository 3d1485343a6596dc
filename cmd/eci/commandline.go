package main

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"example.com/eci/internal/sorted"
)

// flagError says in the words of the command what the flag parser did not understand.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var value *pflag.InvalidValueError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(c, unknown)
	case errors.As(err, &empty):
		f := empty.GetFlag()
		return usage("--%s needs a value: --%s %s", f.Name, f.Name, valueName(f))
	case errors.As(err, &value):
		return usage("--%s %s: %s", value.GetFlag().Name, shown(value.GetValue()), wanted(value.GetFlag(), value))
	case errors.As(err, &syntax):
		return usage("%s is no flag: a flag is two hyphens and a name, such as --json", syntax.GetSpecifiedFlag())
	}
	return usage("%w", err)
}

// valueName returns the word for a flag's value: that in its usage, or what it is.
func valueName(f *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(f)
	switch name {
	case "int", "uint", "float":
		return "NUMBER"
	case "string":
		return "WORD"
	case "strings":
		return "WORD,WORD"
	}
	return strings.ToUpper(name)
}

// shown returns a value as a message shows it; an empty one would not be seen.
func shown(value string) string {
	if value == "" {
		return `""`
	}
	return value
}

// wanted says what a flag takes in place of a value that cannot be read.
func wanted(f *pflag.Flag, err error) string {
	kind := f.Value.Type()
	if errors.Is(err, strconv.ErrRange) {
		return "the number is too large"
	}
	switch kind {
	case "int":
		return "it takes a whole number, such as " + example(f, "10")
	case "uint64":
		return "it takes a whole number, 0 or above"
	case "float64":
		return "it takes a number, such as " + example(f, "0.5")
	case "bool":
		return "it takes no value; --" + f.Name + "=false turns it off"
	case "stringSlice":
		return "a quote in the list is not closed, or not at the beginning of a word"
	}
	return "it cannot be read as " + kind
}

// example returns a flag's default as an example of its values.
func example(f *pflag.Flag, otherwise string) string {
	if f.DefValue == "" || f.DefValue == "0" {
		return otherwise
	}
	return f.DefValue
}

// unknownFlag names the flag that was probably meant, or the command that has it.
func unknownFlag(c *cobra.Command, err *pflag.NotExistError) error {
	name := err.GetSpecifiedName()
	given := "--" + name
	if short := err.GetSpecifiedShortnames(); short != "" {
		given = "-" + short
		if _, ok := namesOf(c)[name]; !ok && len(short) > 1 { // -budget for --budget
			name, _, _ = strings.Cut(short, "=")
		}
	}
	if args := c.Flags().Args(); c == c.Root() && len(args) > 0 { // rnak --demo
		return noCommand(c, args)
	}
	names := namesOf(c)
	if _, ok := names[name]; ok {
		return usage("%s: flags of more than one letter have two hyphens: --%s", given, name)
	}
	if near := nearest(name, names); near != "" {
		return usage("%s has no flag %s; did you mean --%s?", c.CommandPath(), given, near)
	}
	var others []string
	for _, other := range c.Root().Commands() {
		if _, ok := namesOf(other)[name]; ok {
			others = append(others, other.CommandPath())
		}
	}
	if c == c.Root() && slices.Contains(others, "eci rank") {
		return usage("%s: a command comes first, such as eci rank %s", given, given)
	}
	if len(others) > 0 {
		return usage("%s has no flag %s, which belongs to %s", c.CommandPath(), given, strings.Join(others, ", "))
	}
	return usage("%s has no flag %s", c.CommandPath(), given)
}

// namesOf returns the names of a command's flags that are not hidden.
func namesOf(c *cobra.Command) map[string]bool {
	names := make(map[string]bool)
	add := func(f *pflag.Flag) {
		if !f.Hidden {
			names[f.Name] = true
		}
	}
	c.Flags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	return names
}

// nearest returns the name that a mistyped one is most like, or "" if none is near:
// at most one change for every three letters. A whole beginning or end is near too:
// query-field for query, pool for pool-file.
func nearest(name string, names map[string]bool) string {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	best, least := "", 1+len(name)/3
	inOrder := sorted.Keys(names)
	for _, other := range inOrder {
		if d := edits(name, other); d < least {
			best, least = other, d
		}
	}
	if best != "" || len(name) < 3 {
		return best
	}
	for _, near := range []func(string) bool{
		func(other string) bool {
			return strings.HasPrefix(other, name+"-") || strings.HasPrefix(name, other+"-")
		},
		func(other string) bool { return strings.HasSuffix(other, "-"+name) },
	} {
		if k := slices.IndexFunc(inOrder, near); k >= 0 {
			return inOrder[k]
		}
	}
	return ""
}

// edits counts the letters to insert, delete, replace or swap with the next that make
// one word of another.
func edits(a, b string) int {
	const far = 100
	if len(a) > far || len(b) > far {
		return far
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// noCommand is the error for a first word that is no command.
func noCommand(root *cobra.Command, args []string) error {
	names := make(map[string]bool)
	for _, c := range root.Commands() {
		if !c.Hidden {
			names[c.Name()] = true
		}
	}
	if near := nearest(args[0], names); near != "" {
		return usage("there is no command %s; did you mean eci %s?", args[0], near)
	}
	if _, err := os.Stat(args[0]); err == nil {
		return usage("%s is a file, and a command comes first: eci rank %s", args[0], strings.Join(args, " "))
	}
	return usage("there is no command %s; there are %s", args[0], strings.Join(sorted.Keys(names), ", "))
}

// checkFlags refuses flags that exclude one another, and the name of a flag where the
// value of another is missing.
func checkFlags(c *cobra.Command) (err error) {
	var forms []string
	c.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "json", "csv", "markdown":
			if f.Value.String() == "true" {
				forms = append(forms, "--"+f.Name)
			}
		}
		value := f.Value.String()
		name, isFlag := strings.CutPrefix(value, "--")
		if name, _, _ = strings.Cut(name, "="); err == nil && isFlag && c.Flag(name) != nil {
			err = usage("--%s needs a value, and has the flag %s in its place", f.Name, value)
		}
	})
	if err == nil && len(forms) > 1 {
		err = usage("%s: give one of them", strings.Join(forms, " and "))
	}
	return err
}
