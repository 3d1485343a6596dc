package main

import (
	"example.com/eci"
	"github.com/spf13/pflag"
)

// windowFlags select which negatives of each query and positive are used.
type windowFlags struct {
	perQuery int
	windows  []string
}

func (f *windowFlags) register(flags *pflag.FlagSet) {
	flags.IntVar(&f.perQuery, "negatives-per-query", 0, "most negatives of each query and positive, the first ones; 0 for all")
	flags.StringSliceVar(&f.windows, "rank-window", nil, "negatives of these `ranks` of each query and positive, such as 11-30; several, such as 1-10,11-30, are ranked as sources of their own")
}

// apply returns the sources of the windows. With one window they keep their names.
func (f *windowFlags) apply(o *opened) error {
	var windows []eci.Window
	switch {
	case f.perQuery < 0:
		return usage("--negatives-per-query %d: it is a positive number, or 0 for all", f.perQuery)
	case f.perQuery > 0 && f.windows != nil:
		return usage("--negatives-per-query and --rank-window say the same: give one")
	case f.perQuery > 0:
		windows = []eci.Window{{First: 1, Last: f.perQuery}}
	}
	for _, text := range f.windows {
		w, err := parseWindow(text)
		if err != nil {
			return err
		}
		windows = append(windows, w)
	}
	if windows == nil {
		return nil
	}
	var out []eci.Source
	for _, source := range o.sources {
		parts, err := source.Windows(windows...)
		if err != nil {
			return err
		}
		if len(windows) == 1 {
			parts[0].Name = source.Name
		}
		out = append(out, parts...)
	}
	o.sources = out
	return nil
}
