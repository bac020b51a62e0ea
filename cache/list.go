package cache

import (
	"context"
	"sort"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// An Item is a credential in the cache, or a failure to get one, or both.
type Item struct {
	Name       string             // the name of the key
	Profile    string             // the profile that it was first fetched for
	Config     string             // the file that the profile is in
	Below      []string           // the names of the keys it was made from
	Credential *plugin.Credential // nil if there is only a failure
	Level      bool               // it is for a level that one or several profiles stand on
	Created    time.Time
	Generation int64    // in the fleet, or 0 if it is not shared
	Failure    *Failure // nil if the last fetch succeeded
}

// A Failure is a fetch that failed.
type Failure struct {
	At, Until time.Time // Until is when the issuer may be asked again
	Code      plugin.Code
	Text      string
}

// List returns everything in the cache, ordered by profile. It returns an error if the
// store cannot be listed.
func (c *Cache) List(ctx context.Context) ([]Item, error) {
	names, err := c.names(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]*Item{}
	at := func(name, profile string) *Item {
		if byName[name] == nil {
			byName[name] = &Item{Name: name, Profile: profile}
		}
		return byName[name]
	}
	for _, full := range names {
		name, suffix := cutName(full)
		if !isKeyName(name) {
			continue
		}
		key := Key{Name: name, seal: sealFor(c.Pepper, name)}
		switch suffix {
		case "":
			if e := c.load(ctx, key); e != nil {
				k := at(name, e.Profile)
				k.Profile, k.Config, k.Below, k.Level = e.Profile, e.Config, e.Below, e.Level
				k.Credential, k.Created, k.Generation = e.credential(), e.Created, e.Generation
			}
		case failedSuffix:
			var x failure
			if c.get(ctx, key, failedSuffix, &x) == nil {
				at(name, x.Profile).Failure = &Failure{x.At, x.Until, x.Code, x.Text}
			}
		}
	}
	var kept []Item
	for _, k := range byName {
		kept = append(kept, *k)
	}
	// Unlike slices.SortFunc, sort.Slice adds no code of its own for each type.
	sort.Slice(kept, func(i, j int) bool {
		return kept[i].Profile+"\x00"+kept[i].Name < kept[j].Profile+"\x00"+kept[j].Name
	})
	return kept, nil
}

// names returns the names of all values.
func (c *Cache) names(ctx context.Context) ([]string, error) {
	lister, ok := c.Store.(Lister)
	if !ok {
		return nil, plugin.Errorf(plugin.Config, "this cache cannot tell what is in it (%T)", c.Store)
	}
	names, err := lister.List(ctx)
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "cannot list the cache: %v", err)
	}
	return names, nil
}

// cutName splits the name of a value into the name of its key and the suffix.
func cutName(name string) (key, suffix string) {
	key, suffix, found := strings.Cut(name, ".")
	if found {
		suffix = "." + suffix
	}
	return key, suffix
}
