package plugin

import (
	"maps"
	"slices"
	"time"
)

// A Schema is a JSON schema, or a part of one.
//
// https://json-schema.org/draft-07
type Schema map[string]any

// SchemaTitle is the title of the schema, by which it is known as jeton's.
const SchemaTitle = "config.yaml of jeton"

// Schema returns the JSON schema of the configuration file. formats are the values of the
// option format. It is draft 7, the newest that YAML language servers know in full. It
// accepts what [ReadFile] accepts, but knows nothing of how options depend on each other.
func (l Issuers) Schema(formats []string) Schema {
	profile := Schema{
		"type": "object", "required": []string{"plugin"},
		"properties": Schema{"plugin": Schema{"enum": l.Names()}},
	}
	var cases []Schema
	for i := range l {
		cases = append(cases, Schema{
			"if":   Schema{"properties": Schema{"plugin": Schema{"const": l[i].Name}}},
			"then": Schema{"$ref": "#/definitions/" + l[i].Name},
		})
	}
	profile["allOf"] = cases
	definitions := Schema{"secret": secretSchema(), "text": textSchema(), "profile": profile}
	for i := range l {
		definitions[l[i].Name] = l[i].schema(formats)
	}
	shared := Schema{}
	for _, f := range fields(&SharedCache{}) {
		shared[f.name] = f.schema()
	}
	return Schema{
		"$schema": "http://json-schema.org/draft-07/schema#",
		"title":   SchemaTitle, "type": []string{"object", "null"}, "additionalProperties": false,
		"properties": Schema{
			"profiles": Schema{
				"description":          "the identities, by name",
				"type":                 []string{"object", "null"},
				"propertyNames":        l.nameSchema(),
				"additionalProperties": Schema{"$ref": "#/definitions/profile"},
			},
			"shared_cache": Schema{
				"description": "where hosts share what they fetch", "type": "object", "additionalProperties": false,
				"properties": shared, "required": []string{"url"},
			},
		},
		"definitions": definitions,
	}
}

// nameSchema is that of a profile's name. See [CheckName].
func (l Issuers) nameSchema() Schema {
	return Schema{
		"pattern": namePattern, "maxLength": 100,
		"not": Schema{"anyOf": []Schema{{"enum": l.reservedNames()}, {"pattern": `\.\.`}}},
	}
}

// schema returns the schema of the issuer's profiles.
func (i *Issuer) schema(formats []string) Schema {
	options := Schema{}
	for _, block := range []any{i.New(), &Common{}} {
		for _, f := range fields(block) {
			options[f.name] = f.schema()
		}
	}
	options["format"] = Schema{"description": options["format"].(Schema)["description"], "enum": formats}
	for other, option := range i.Aliases {
		options[other] = options[option]
	}
	within := maps.Clone(options)
	options["plugin"] = Schema{"const": i.Name, "description": i.From}
	options["auth"] = Schema{
		"description": "the options as clouds.yaml has them", "type": "object", "properties": within,
		"additionalProperties": false,
	}
	return Schema{"type": "object", "properties": options, "additionalProperties": false}
}

// schema returns the schema of one option.
func (f field) schema() Schema {
	s := Schema{}
	list := func(first, others Schema) {
		s["type"], s["items"], s["additionalItems"], s["minItems"] = "array", []Schema{first}, others, 1
	}
	anyText := Schema{"type": []string{"string", "number", "boolean"}}
	switch f.value.Interface().(type) {
	case SecretRef:
		s["allOf"] = []Schema{{"$ref": "#/definitions/secret"}}
	case string:
		s["allOf"] = []Schema{{"$ref": "#/definitions/text"}}
	case Path:
		s["type"], s["pattern"] = "string", pathPattern
	case bool:
		s["type"] = "boolean"
	case int:
		s["anyOf"] = []Schema{{"type": "integer", "minimum": 1}, {"type": "string", "pattern": `^\+?[0-9]*[1-9][0-9]*$`}}
	case time.Duration:
		s["type"], s["pattern"] = "string", `^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)([0-9.]+(ns|us|µs|μs|ms|s|m|h))*$`
	case Variables:
		s["type"], s["items"] = "array", Schema{"type": "string", "pattern": variablePattern}
	case Argv, []string:
		list(textSchema(), anyText)
	case map[string]string:
		s["type"], s["additionalProperties"] = "object", textSchema()
	case []map[string]string:
		maps := Schema{"type": "object", "additionalProperties": textSchema()}
		list(maps, maps)
	}
	s["description"] = f.help
	return s
}

// Patterns of what texts can be. A path is absolute, on any system, or begins with ~/.
const (
	pathPattern     = `^(/|~/|[A-Za-z]:[\\/]|\\\\)`
	namePattern     = `^[A-Za-z0-9_][A-Za-z0-9_.@-]*$`
	variablePattern = `^[A-Za-z_][A-Za-z0-9_]*$`
)

// textSchema is that of a text, which is taken as written: YAML's numbers and truth values
// are texts too.
func textSchema() Schema {
	return Schema{"type": []string{"string", "number", "boolean"}, "not": Schema{"const": ""}}
}

func secretSchema() Schema {
	one := func(kind string, value Schema) Schema {
		return Schema{
			"type": "object", "properties": Schema{kind: value}, "required": []string{kind},
			"additionalProperties": false,
		}
	}
	program := one("command", Schema{"type": "array", "items": []Schema{textSchema()}, "minItems": 1})
	program["properties"].(Schema)["depends_on"] = Schema{
		"type": "array", "items": Schema{"type": "string", "pattern": variablePattern},
	}
	return Schema{"anyOf": slices.Concat([]Schema{textSchema()}, []Schema{
		one("env", Schema{"type": "string", "pattern": variablePattern}),
		one("file", Schema{"type": "string", "pattern": pathPattern}),
		program,
		one("keyring", Schema{"type": []string{"string", "integer"}, "pattern": namePattern, "maxLength": 100}),
	})}
}
