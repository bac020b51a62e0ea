package formats

import "testing"

// A cloud of somebody else is left alone: the profile's gets another name.
func TestFreeCloud(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "prod",
		"clouds: {other: {}}":                "prod",
		"clouds: {prod: {auth: {}}}":         "prod-jeton",
		"clouds: {prod: {auth_type: jeton}}": "prod",
		"clouds: [":                          "prod",
		"clouds: {prod: {auth: {}}, prod-jeton: {auth_type: jeton}}": "prod-jeton",
	} {
		c := &Caller{Getenv: nothing, Home: "/home",
			ReadFile: func(string) ([]byte, error) { return []byte(text), nil }}
		if got := freeCloud(c, "prod"); got != want {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
}
