package cli

import (
	"encoding/json"

	"github.com/jeton-cli/jeton/formats"
)

type schemaCmd struct{}

func (schemaCmd) Help() string {
	return `Prints the JSON schema of config.yaml. Editors with a YAML language server complete and check the file with it.

Examples:
  jeton schema >~/.config/jeton/schema.json
  # yaml-language-server: $schema=schema.json

The second is the first line of config.yaml. jeton init writes both.`
}

func (schemaCmd) Run(i *invocation, t *terminal) error {
	document, err := json.MarshalIndent(i.issuers.Schema(formats.Spellings()), "", "  ")
	if err != nil {
		return err
	}
	return t.print(append(document, '\n'))
}
