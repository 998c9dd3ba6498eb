from __future__ import annotations

import pytest

from onevoice.speakable import english, portuguese, spanish, speakable

ENGLISH = [
    ("Born in 1999, moved in 2005.", "Born in nineteen ninety-nine, moved in two thousand five."),
    ("In 1900 and 1906", "In nineteen hundred and nineteen oh six"),
    ("The 1990s and the '80s", "The nineteen nineties and the eighties"),
    ("1,500 people", "one thousand five hundred people"),
    ("1.500", "one point five zero zero"),
    ("1,234,567.89", "one million two hundred thirty-four thousand five hundred sixty-seven "
     "point eight nine"),
    ("3.14", "three point one four"),
    ("007", "zero zero seven"),
    ("-5", "minus five"),
    ("$20", "twenty dollars"),
    ("$3.50", "three dollars and fifty cents"),
    ("$1.01", "one dollar and one cent"),
    ("$0.99", "ninety-nine cents"),
    ("$3.5 million", "three point five million dollars"),
    ("$5M", "five million dollars"),
    ("20 USD", "twenty dollars"),
    ("€1", "one euro"),
    ("At 3:30", "At three thirty"),
    ("15:05", "fifteen oh five"),
    ("3pm", "three pee em"),
    ("at 3:00", "at three o'clock"),
    ("2026-11-23", "November twenty-third, twenty twenty-six"),
    ("11/23", "November twenty-third"),
    ("Nov. 23, 2026", "November twenty-third, twenty twenty-six"),
    ("23 November", "twenty-third of November"),
    ("1st 2nd 3rd 12th 100th", "first second third twelfth one hundredth"),
    ("50% of 5 km", "fifty percent of five kilometers"),
    ("1 km", "one kilometer"),
    ("60 mph, 20°C, 5 m²", "sixty miles per hour, twenty degrees Celsius, five square meters"),
    ("1/2, 3/4, 2½", "one half, three quarters, two and one half"),
    ("9/11, 24/7", "nine eleven, twenty-four seven"),
    ("FBI and NASA", "eff bee eye and nasa"),
    ("AI, GPUs, U.S.A.", "ay eye, gee pee yous, you ess ay"),
    ("GPT-4, COVID-19, MP3", "gee pee tee four, covid nineteen, em pee three"),
    ("Call 555-1234.", "Call five five five, one two three four."),
    ("Call 911.", "Call nine one one."),
    ("10-20, 3–4 days", "ten to twenty, three to four days"),
    ("1990-1995", "nineteen ninety to nineteen ninety-five"),
    ("Visit www.example.com/a?b=1, or me@gmail.com.",
     "Visit example dot com, or me at gmail dot com."),
    ("Mr. Smith & Dr. Jones", "Mister Smith and Doctor Jones"),
    ("Henry VIII, Chapter IV", "Henry the eighth, Chapter four"),
    ("I can't, he's well-known", "I can't, he's well-known"),
    ("STOP SHOUTING NOW", "stop shouting now"),
    ("“Hello” (world) 😀!!!", "Hello world!"),
    ("5-3=2 and 2+3=5", "five minus three equals two and two plus three equals five"),
    ("#1 50+ @bob", "number one fifty plus at bob"),
    ("π 한국", "pi"),
    ("1,2,3", "one, two, three"),
    ("x^2", "x squared"),
    ("$1,234.56", "one thousand two hundred thirty-four dollars and fifty-six cents"),
    ("23.11.2026, 5.11.2026", "November twenty-third, twenty twenty-six, November fifth, "
     "twenty twenty-six"),
    ("3.5M users, 10k likes", "three point five million users, ten thousand likes"),
    ("4K and 5G by 3M in apartment 4B",
     "four kay and five gee by three em in apartment four bee"),
    ("12 Gbps, 100 Mb/s, 1 MB/s", "twelve gigabits per second, one hundred megabits per second, "
     "one megabyte per second"),
    ("5 μm, 3 cm², 1 rpm", "five micrometers, three square centimeters, one revolution per minute"),
    ("2 h 15 min", "two hours fifteen minutes"),
    ("₹500, CHF 20", "five hundred rupees, twenty Swiss francs"),
    ("10x faster", "ten times faster"),
    ("The UN, UNESCO and the WHO", "The you en, unesco and the double-you aitch oh"),
    ("HDMI and UCLA", "aitch dee em eye and you see el ay"),
]  # fmt: skip

SPANISH = [
    ("1 kilo, 21 años, 31 días", "un kilo, veintiún años, treinta y un días"),
    ("21 personas y 1 hora", "veintiuna personas y una hora"),
    ("200 personas", "doscientas personas"),
    ("200 mil personas", "doscientas mil personas"),
    ("500 veces", "quinientas veces"),
    ("31 problemas", "treinta y un problemas"),
    ("son 21", "son veintiuno"),
    ("capítulo 1", "capítulo uno"),
    ("1 de cada 21", "uno de cada veintiuno"),
    ("21.000", "veintiún mil"),
    ("1.000.000", "un millón"),
    ("1500, 1.500, 1,500", "mil quinientos, mil quinientos, mil quinientos"),
    ("1.234,56", "mil doscientos treinta y cuatro coma cincuenta y seis"),
    ("3,14 o 3.14", "tres coma catorce o tres punto catorce"),
    ("0,05", "cero coma cero cinco"),
    ("100, 101", "cien, ciento uno"),
    ("23 de noviembre de 2026", "veintitrés de noviembre de dos mil veintiséis"),
    ("1 de mayo", "primero de mayo"),
    ("2026-11-23", "veintitrés de noviembre de dos mil veintiséis"),
    ("23/11", "veintitrés de noviembre"),
    ("A las 3:30", "A las tres y media"),
    ("15:05, 3:15, 1:30", "quince cero cinco, tres y cuarto, una y media"),
    ("3pm, 10 p.m.", "tres de la tarde, diez de la noche"),
    ("$20, $3.50, US$1", "veinte dólares, tres dólares con cincuenta centavos, un dólar"),
    ("3,50 €", "tres euros con cincuenta céntimos"),
    ("$3.5 millones", "tres punto cinco millones de dólares"),
    ("$1 millones, $5M", "un millón de dólares, cinco millones de dólares"),
    ("£200", "doscientas libras"),
    ("50%, -5 °C", "cincuenta por ciento, menos cinco grados Celsius"),
    ("100 km/h, 1 m², 3 t", "cien kilómetros por hora, un metro cuadrado, tres toneladas"),
    ("1º, 2ª, 3er piso", "primero, segunda, tercer piso"),
    ("FBI, OTAN, EE. UU., GPU", "efe be i, otan, Estados Unidos, ge pe u"),
    ("siglo XXI, Felipe II, Luis XIV", "siglo veintiuno, Felipe segundo, Luis catorce"),
    ("yo@gmail.com", "yo arroba gmail punto com"),
    ("Sr. Pérez", "señor Pérez"),
    ("10-20, 1/2, 3/4", "diez a veinte, un medio, tres cuartos"),
    ("¿Cuántos? ¡21!", "¿Cuántos? ¡veintiuno!"),
    ("«Hola» — sí…", "Hola, sí…"),
    ("¡NO PUEDE SER VERDAD!", "¡no puede ser verdad!"),
    ("1%, 21%", "uno por ciento, veintiuno por ciento"),
    ("1 000 000 €", "un millón de euros"),
    ("las 14:00 h", "las catorce"),
    ("2+2=4", "dos más dos igual a cuatro"),
    ("la IA y la TV", "la i a y la te uve"),
    ("23.11.2026", "veintitrés de noviembre de dos mil veintiséis"),
    ("3,5M de personas, 10k y 1k", "tres coma cinco millones de personas, diez mil y mil"),
    ("1 h 30 min", "una hora treinta minutos"),
    ("14 h 30", "catorce treinta"),
    ("5 Mbps, 21 cm²", "cinco megabits por segundo, veintiún centímetros cuadrados"),
    ("1 rpm, 50 mAh", "una revolución por minuto, cincuenta miliamperios hora"),
    ("S/ 20, COP 500", "veinte soles, quinientos pesos"),
    ("10x más rápido", "diez veces más rápido"),
    ("La ONU, la OMS y la UE", "La onu, la o eme ese y la u e"),
    ("El PIB, el INE y el ADN", "El pib, el ine y el a de ene"),
]

PORTUGUESE = [
    ("1 quilo, 21 anos, 2 horas", "um quilo, vinte e um anos, duas horas"),
    ("22 pessoas", "vinte e duas pessoas"),
    ("200 pessoas", "duzentas pessoas"),
    ("2 mil pessoas", "duas mil pessoas"),
    ("2 milhões de pessoas", "dois milhões de pessoas"),
    ("1 dia, 2 problemas", "um dia, dois problemas"),
    ("14, 16, 17, 19", "quatorze, dezesseis, dezessete, dezenove"),
    ("1500, 1.200, 1.234", "mil e quinhentos, mil e duzentos, mil duzentos e trinta e quatro"),
    ("1.000.000", "um milhão"),
    ("1.234.567", "um milhão duzentos e trinta e quatro mil quinhentos e sessenta e sete"),
    ("3,14 ou 3.14", "três vírgula quatorze ou três ponto quatorze"),
    ("100, 101, 1100, 2001", "cem, cento e um, mil e cem, dois mil e um"),
    ("23 de novembro de 2026", "vinte e três de novembro de dois mil e vinte e seis"),
    ("1º de maio", "primeiro de maio"),
    ("23/11/2026", "vinte e três de novembro de dois mil e vinte e seis"),
    ("Às 3:30", "Às três e meia"),
    ("15:05", "quinze e cinco"),
    ("1:00, 22h", "uma hora, vinte e duas horas"),
    ("15h30, 3pm", "quinze e trinta, três da tarde"),
    ("R$ 20", "vinte reais"),
    ("R$ 3,50", "três reais e cinquenta centavos"),
    ("R$ 1", "um real"),
    ("US$ 5 milhões", "cinco milhões de dólares"),
    ("R$ 1,5 milhão", "um vírgula cinco milhão de reais"),
    ("50%, -5°C", "cinquenta por cento, menos cinco graus Celsius"),
    ("100 km/h, 5 kg", "cem quilômetros por hora, cinco quilos"),
    ("1º, 2ª, 21º", "primeiro, segunda, vigésimo primeiro"),
    ("FBI, GPU, TV, EUA", "efe bê i, gê pê u, tê vê, Estados Unidos"),
    ("século XXI, Dom Pedro II", "século vinte e um, Dom Pedro segundo"),
    ("10-20, 1/2, 3/4", "dez a vinte, um meio, três quartos"),
    ("2+2=4", "dois mais dois igual a quatro"),
    ("eu@gmail.com, www.exemplo.com.br",
     "eu arroba gmail ponto com, exemplo ponto com ponto bê erre"),
    ("Sr. Silva & Sra. Lima", "senhor Silva e senhora Lima"),
    ("NÃO ACREDITO NISSO", "não acredito nisso"),
    ("você", "você"),
    ("23.11.2026", "vinte e três de novembro de dois mil e vinte e seis"),
    ("10k, 2M", "dez mil, dois milhões"),
    ("1h30min", "uma hora trinta minutos"),
    ("1 rpm, 2 fps", "uma rotação por minuto, dois quadros por segundo"),
    ("5 cm², 2 hPa", "cinco centímetros quadrados, dois hectopascais"),
    ("2x mais", "duas vezes mais"),
    ("A ONU, a OMS e o SUS", "A onu, a ó eme esse e o sus"),
    ("O IBGE e o IPTU", "O i bê gê é e o i pê tê u"),
]  # fmt: skip

OTHERS = [
    ("fr", "1 heure, 21 ans, 1 500 euros", "une heure, vingt et un ans, mille cinq cents euros"),
    ("fr", "3,5 km, 50 %, 1er", "trois virgule cinq kilomètres, cinquante pour cent, premier"),
    ("it", "21 anni, 1.500 €", "ventuno anni, millecinquecento euro"),
    ("de", "Um 15:30 Uhr, 1 Stunde", "Um fünfzehn Uhr dreißig, eine Stunde"),
    ("de", "3,14", "drei Komma eins vier"),
    (
        "ja",
        "2026年11月23日、50%、NASA",
        "二千二十六年十一月二十三日、五十パーセント、エヌエーエスエー",
    ),
    ("ru", "21 год", "двадцать один год"),
    ("sv", "1000", "ettusen"),
    ("el", "ο Γιάννης και η Μαρία", "ο Γιάννης και η Μαρία"),
    ("zh", "我有21个 😀", "我有21个"),
    ("pt-BR", "16", "dezesseis"),
]


@pytest.mark.parametrize(("text", "said"), ENGLISH)
def test_english(text: str, said: str) -> None:
    assert speakable(text, "en") == said


@pytest.mark.parametrize(("text", "said"), SPANISH)
def test_spanish(text: str, said: str) -> None:
    assert speakable(text, "es") == said


@pytest.mark.parametrize(("text", "said"), PORTUGUESE)
def test_portuguese(text: str, said: str) -> None:
    assert speakable(text, "pt") == said


@pytest.mark.parametrize(("language", "text", "said"), OTHERS)
def test_others(language: str, text: str, said: str) -> None:
    assert speakable(text, language) == said


def test_large_cardinals() -> None:
    assert spanish.cardinal(21_000_000) == "veintiún millones"
    assert spanish.cardinal(10**12) == "un billón"
    assert spanish.cardinal(1_000_001, "feminine") == "un millón una"
    assert portuguese.cardinal(1_000_001) == "um milhão e um"
    assert portuguese.cardinal(2 * 10**9) == "dois bilhões"
    assert english.cardinal(1_000_000_001) == "one billion one"


@pytest.mark.parametrize(
    ("number", "said"), [(2000, "two thousand"), (2010, "twenty ten"), (1805, "eighteen oh five")]
)
def test_english_years(number: int, said: str) -> None:
    assert english.year(number) == said


HARD = [
    ("en", "IT'S NOT FAIR! I'M DONE.", "it's not fair! I'm done."),
    ("en", "10^20, x^2", "ten to the power of twenty, x squared"),
    ("en", "6ft 2in tall, 5'10\"", "six feet two inches tall, five feet ten"),
    ("en", "on St. John St. or 2nd Ave.", "on Saint John Street or second Avenue"),
    ("en", "$10-20, .5 pts", "ten to twenty dollars, zero point five points"),
    ("en", "Mt. Everest, Vol. 3", "Mount Everest, volume three"),
    ("es", "1/2 hora y 1/2 litro", "media hora y medio litro"),
    ("es", "2 1/2 horas", "dos y media horas"),
    (
        "es",
        "Llama al 91 555 12 34.",
        "Llama al nueve uno, cinco cinco cinco, uno dos, tres cuatro.",
    ),
    ("es", "1 o 2 horas, 21-31 páginas", "una o dos horas, veintiuna a treinta y una páginas"),
    ("es", "la II Guerra Mundial, Isabel II", "la segunda Guerra Mundial, Isabel segunda"),
    ("es", "20 ºC, s. XXI, Art. 5", "veinte grados Celsius, siglo veintiuno, artículo cinco"),
    ("es", "5-10 €, 5 M€", "cinco a diez euros, cinco millones de euros"),
    ("es", "C/ Mayor", "calle Mayor"),
    ("pt", "(11) 91234-5678", "um um, nove um dois três quatro, cinco seis sete oito"),
    ("pt", "2 a 3 vezes", "duas a três vezes"),
    ("pt", "1/2 hora, 2 1/2 litros", "meia hora, dois e meio litros"),
    ("pt", "a II Guerra, séc. XXI", "a segunda Guerra, século vinte e um"),
    ("pt", "R$ 5 mi, 20ºC", "cinco milhões de reais, vinte graus Celsius"),
    ("pt", "Av. Brasil, ap. 32", "avenida Brasil, apartamento trinta e dois"),
]


@pytest.mark.parametrize(("language", "text", "said"), HARD)
def test_hard_ones(language: str, text: str, said: str) -> None:
    assert speakable(text, language) == said
    assert speakable(said, language) == said
